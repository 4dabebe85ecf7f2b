"""Process manager: honcho, changed so that no program keeps running after it.

python deploy/start.py start -f deploy/Procfile

It gives programs time to write their checkpoints, stops them when the terminal closes (SIGHUP), and
keeps working when nobody reads its output.
"""

import io
import os
import re
import signal
import sys
import threading
from types import FrameType

from honcho import command, manager

_SAVING_SECONDS = 120
"""Timeout between the first program's exit and SIGKILL for the others: honcho's 5 seconds are too
short for a server that writes a large replay."""


class _Output(io.TextIOBase):
    """Unbuffered standard output that never raises: an error there would end honcho without
    stopping its programs.

    The reader may disappear (a closed terminal, `| tee` after Ctrl-C). A buffer would raise when a
    signal handler prints while the buffer is being written.
    """

    def write(self, text: str) -> int:
        rest = text.encode()
        try:
            while rest:
                rest = rest[os.write(self.fileno(), rest) :]
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        return len(text)

    def fileno(self) -> int:
        return 1

    def isatty(self) -> bool:
        return os.isatty(self.fileno())


class _Manager(manager.Manager):
    """Delays termination until every program has reported its start: before that, honcho fails and
    leaves all programs running."""

    def terminate(self) -> None:
        if self._all_started():
            super().terminate()
        else:
            threading.Timer(0.1, self.terminate).start()


def _refuse_invalid_counts() -> None:
    """Exits with 2 if -c is not as honcho needs it, which would end with a traceback."""
    given = getattr(command.parser.parse_args(), "concurrency", None)
    if given is not None and not re.fullmatch(r"\w+=\d+(,\w+=\d+)*", given):
        print(
            f"-c {given} must be PROGRAM=NUMBER, collector=2 for example (COLLECTORS=2 of make); "
            "several are separated by commas.",
            file=sys.stderr,
        )
        sys.exit(2)


def _terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    _refuse_invalid_counts()
    manager.KILL_WAIT = _SAVING_SECONDS
    command.Manager = _Manager
    sys.stdout = _Output()
    signal.signal(signal.SIGHUP, _terminate)
    command.main()
