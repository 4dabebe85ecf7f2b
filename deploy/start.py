"""honcho, made to leave no program behind: python deploy/start.py start -f deploy/Procfile

It waits for programs that save, stops them when the terminal closes, and does not mind where its output goes.
"""

import io
import os
import signal
import sys
import threading
from types import FrameType

from honcho import command, manager

_SAVING_SECONDS = 120
"""From the first program's end to killing the others: honcho's 5 are too few for a server that saves a large replay."""


class _Output(io.TextIOWrapper):
    """Standard output that may go away (a terminal, `| tee` after Ctrl-C): honcho would die of it and stop nothing."""

    def write(self, text: str) -> int:
        try:
            super().write(text)
            self.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        return len(text)


class _Manager(manager.Manager):
    """honcho fails over a signal that comes before it has heard of all starts, and leaves everything running."""

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
    sys.stdout = _Output(sys.stdout.buffer, encoding="utf-8")
    signal.signal(signal.SIGHUP, _terminate)
    command.main()
