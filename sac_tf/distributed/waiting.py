"""Waits with timeouts: for other processes, for calls that may never return, and between periodic
calls."""

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import gin

from sac_tf.errors import RunError, require_number

T = TypeVar("T")
_SLICE_S = 1.0
"""Seconds between two calls of `is_over`."""
_LONGEST_ERROR = 200
"""Characters of an error that are kept."""


@gin.configurable
class Patience:
    """Waits for other processes with a timeout, in slices short enough to react to Ctrl-C.

    Attributes:
      waiting_for: what it waits for now, or None.
    """

    def __init__(
        self, is_over: Callable[[], bool], say: Callable[[str], None], limit_s: float = 600.0
    ):
        """Sets the timeout.

        Args:
          is_over: whether to stop waiting, because of a signal for example.
          say: prints a line.
          limit_s: timeout of one wait, in seconds.

        Raises:
          ConfigurationError: a timeout out of range.
        """
        require_number(
            "Patience.limit_s", limit_s, lambda limit: limit > 0, "a number of seconds above 0"
        )
        self._is_over = is_over
        self._say = say
        self._limit_s = limit_s
        self.waiting_for: str | None = None

    def __call__(self, attempt: Callable[[float], bool], what: str, silent_s: float = 5.0) -> bool:
        """Calls `attempt(seconds)`, which may take `seconds`, until it returns True.

        Args:
          attempt: tries once.
          what: names what it waits for.
          silent_s: seconds before the wait is first printed; each next line takes twice as long.

        Returns: whether an attempt succeeded; False if `is_over()` was true first.

        Raises:
          RunError: the timeout expired.
        """
        started = time.monotonic()
        next_line_s = silent_s
        try:
            while not attempt(_SLICE_S):
                if self._is_over():
                    return False
                self.waiting_for = what
                waited = time.monotonic() - started
                if waited > self._limit_s:
                    raise RunError(f"Waited {self._limit_s:.0f} s for {what} (Patience.limit_s).")
                if waited > next_line_s:
                    self._say(f"Waiting for {what}, {waited:.0f} s so far.")
                    next_line_s *= 2
            if next_line_s > silent_s:
                self._say(f"Waited {time.monotonic() - started:.0f} s for {what}; continuing.")
        finally:
            self.waiting_for = None
        return True


class PeriodicCall:
    """Calls a function periodically, in a daemon thread that does not delay the process's exit.

    An error is kept and the next call is made all the same: a server that stopped may restart.

    Attributes:
      error: message of the last call's error; None if it succeeded.
    """

    def __init__(self, function: Callable[[], None], period_s: float, name: str):
        """Makes the first call immediately, and the next ones every `period_s` seconds or when
        woken; `name` is the thread's."""
        self._function = function
        self._period_s = period_s
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self.error: str | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Requests the next call now."""
        self._woken.set()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Requests a last call and waits up to `timeout_s` for it."""
        self._stopped.set()
        self._woken.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self._woken.clear()
            is_last = self._stopped.is_set()
            try:
                self._function()
                self.error = None
            except Exception as error:  # Reverb raises RuntimeError and others
                message = " ".join(str(error).split())[:_LONGEST_ERROR]
                self.error = message or type(error).__name__
            if not is_last:
                self._woken.wait(self._period_s)


def with_timeout(function: Callable[[], T], seconds: float) -> T:
    """Returns or raises what `function()` does, if it takes at most `seconds`.

    It runs in a thread, which is abandoned after a timeout: several calls of Reverb have no timeout
    and never return if the server is gone.

    Raises:
      TimeoutError: it took longer.
    """
    outcomes: queue.SimpleQueue[tuple[bool, T | Exception]] = queue.SimpleQueue()

    def call() -> None:
        try:
            outcomes.put((True, function()))
        except Exception as error:  # raised in the caller's thread
            outcomes.put((False, error))

    threading.Thread(target=call, name="with_timeout", daemon=True).start()
    try:
        has_returned, outcome = outcomes.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer in {seconds:.0f} s") from None
    if not has_returned:
        raise outcome  # type: ignore[misc]
    return outcome  # type: ignore[return-value]
