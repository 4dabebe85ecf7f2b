"""honcho, made to leave no program behind: python deploy/start.py start -f deploy/Procfile

It waits for programs that save, stops them when the terminal closes, and does not mind where its
output goes.
"""

import io
import os
import signal
import sys
import threading
from types import FrameType

from honcho import command, manager

_SAVING_SECONDS = 120
"""From the first program's end to killing the others: honcho's 5 are too few for a server that
saves a large replay."""


class _Output(io.TextIOBase):
    """Standard output that honcho does not die of, which would stop nothing.

    It may go away (a terminal, `| tee` after Ctrl-C), and it has no buffer: a buffer that is being
    written refuses what a signal's handler prints meanwhile.
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
    """honcho fails over a signal that comes before it has heard of all starts, and leaves
    everything running."""

    def terminate(self) -> None:
        if self._all_started():
            super().terminate()
        else:
            threading.Timer(0.1, self.terminate).start()


def _terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    manager.KILL_WAIT = _SAVING_SECONDS
    command.Manager = _Manager
    sys.stdout = _Output()
    signal.signal(signal.SIGHUP, _terminate)
    command.main()
