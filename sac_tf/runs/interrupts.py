"""Interrupts: Ctrl-C, SIGTERM and SIGHUP set a flag that a loop reads between two steps."""

import contextlib
import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, TextIO

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CTRL_C = "Saving and stopping; Ctrl-C again stops without saving."
_OTHER = "Received {}: saving and stopping; a second signal stops without saving."


class Interrupts:
    """While entered, the first signal only sets `received`; a second Ctrl-C or SIGTERM has its
    usual effect.

    SIGHUP is sent when the terminal is closed or the connection to it is lost, often more than once
    and followed by SIGTERM: none of these counts as a second signal. It stays ignored where it is
    ignored, as under nohup.

    Attributes:
      received: the first signal; None if there was none.
    """

    def __init__(self, answers: bool = True) -> None:
        """Takes whether the first signal is answered by a line on stderr."""
        self.received: signal.Signals | None = None
        self._answers = answers
        self._before: dict[signal.Signals, Any] = {}
        self._terminals: list[int] = []

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is not threading.main_thread():
            print(
                "This is not the main thread of the process, so Ctrl-C, SIGTERM and SIGHUP cannot "
                "be handled here: they may end the process without a new checkpoint.",
                flush=True,
            )
            return self
        descriptors = [_descriptor(stream) for stream in (sys.stdout, sys.stderr)]
        self._terminals = [number for number in descriptors if number >= 0 and os.isatty(number)]
        for number in _SIGNALS:
            before = signal.getsignal(number)
            if number != signal.SIGHUP or before != signal.SIG_IGN:
                # None: the handler is not one of Python's.
                self._before[number] = signal.SIG_DFL if before is None else before
                signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore(*self._before)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        is_first = self.received is None
        if is_first:
            self.received = signal.Signals(number)
        if number == signal.SIGHUP:
            self._leave_closed_terminals()
        else:
            self._restore(signal.SIGINT, signal.SIGTERM)
        if is_first and self._answers:
            name = signal.Signals(number).name
            _write_line(_CTRL_C if number == signal.SIGINT else _OTHER.format(name))

    def _restore(self, *numbers: signal.Signals) -> None:
        for number in numbers:
            signal.signal(number, self._before[number])

    def _leave_closed_terminals(self) -> None:
        """Redirects output to a terminal that is gone, which would raise OSError while saving."""
        closed = [number for number in self._terminals if not os.isatty(number)]
        if closed:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for number in closed:
                os.dup2(nowhere, number)
            os.close(nowhere)
        self._terminals = [number for number in self._terminals if number not in closed]


def _descriptor(stream: TextIO | None) -> int:
    """Returns the file descriptor of a stream, or -1: streams of notebooks have none."""
    try:
        return -1 if stream is None else stream.fileno()
    except (AttributeError, OSError, ValueError):
        return -1


def _write_line(text: str) -> None:
    """Writes a line to stderr below a progress bar, from a signal handler: the write that it
    interrupts may hold the buffer of the stream, so that is not used where there is a descriptor.
    """
    number = _descriptor(sys.stderr)
    line = f"\n{text}\n" if number >= 0 and os.isatty(number) else f"{text}\n"
    with contextlib.suppress(OSError):
        if number >= 0:
            os.write(number, line.encode())
        elif sys.stderr is not None:
            sys.stderr.write(line)
