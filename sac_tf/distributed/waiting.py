"""Waits between processes: each has a bound, says what it waits for, and ends at a signal."""

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import gin

from sac_tf.errors import RunError, require_number

T = TypeVar("T")
_SLICE_S = 1.0
"""Between two looks at whether it is over."""


@gin.configurable
class Patience:
    """Waits for other processes, in slices so short that Ctrl-C is heard.

    Attributes:
      waiting_for: what it waits for now, or None.
    """

    def __init__(
        self, is_over: Callable[[], bool], say: Callable[[str], None], limit_s: float = 600.0
    ):
        """Waits at most `limit_s` seconds for one thing, and no longer than until `is_over()`;
        `say` prints a line."""
        require_number(
            "Patience.limit_s", limit_s, lambda limit: limit > 0, "a number of seconds above 0"
        )
        self._is_over, self._say, self._limit_s = is_over, say, limit_s
        self.waiting_for: str | None = None

    def __call__(self, attempt: Callable[[float], bool], what: str, silent_s: float = 5.0) -> bool:
        """Calls `attempt(seconds)` until it returns True.

        Says what it waits for after `silent_s` seconds, and again after twice as many, four times
        as many and so on.

        Returns: False if it was over first: a signal came, for example.

        Raises:
          RunError: `what` did not come within the limit.
        """
        started, next_words = time.monotonic(), silent_s
        try:
            while not attempt(_SLICE_S):
                if self._is_over():
                    return False
                self.waiting_for = what
                waited = time.monotonic() - started
                if waited > self._limit_s:
                    raise RunError(f"Waited {self._limit_s:.0f} s for {what} (Patience.limit_s).")
                if waited > next_words:
                    self._say(f"Waiting for {what}, {waited:.0f} s so far.")
                    next_words *= 2
            if next_words > silent_s:
                self._say(f"Waited {time.monotonic() - started:.0f} s for {what}; going on.")
        finally:
            self.waiting_for = None
        return True


class Repeating:
    """Calls `work()` again and again in a thread that holds nobody up, not even the end of the
    process.

    What it raises is kept for `complaint` and tried again: a server that is gone may come back.
    """

    def __init__(self, work: Callable[[], None], period_s: float, name: str):
        """Starts at once: every `period_s` seconds, or when woken."""
        self._work, self._period_s = work, period_s
        self._woken, self._stopped = threading.Event(), threading.Event()
        self.complaint: str | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Has the next call made now."""
        self._woken.set()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Makes a last call, and waits for it at most `timeout_s`."""
        self._stopped.set()
        self._woken.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self._woken.clear()
            is_last = self._stopped.is_set()
            try:
                self._work()
                self.complaint = None
            except Exception as error:  # Reverb raises RuntimeError and its kin
                self.complaint = " ".join(str(error).split())[:200] or type(error).__name__
            if not is_last:
                self._woken.wait(self._period_s)


def bounded(function: Callable[[], T], seconds: float) -> T:
    """Returns or raises what `function()` does, in a thread that is left behind if it takes too
    long.

    Several calls of Reverb have no time limit, and wait for ever on a server that is gone.

    Raises:
      TimeoutError: it took more than `seconds`.
    """
    answers: queue.SimpleQueue[tuple[bool, T | Exception]] = queue.SimpleQueue()

    def call() -> None:
        try:
            answers.put((True, function()))
        except Exception as error:  # handed to the caller, whatever it is
            answers.put((False, error))

    threading.Thread(target=call, name="bounded", daemon=True).start()
    try:
        is_good, answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer in {seconds:.0f} s") from None
    if not is_good:
        raise answer  # type: ignore[misc]
    return answer  # type: ignore[return-value]
