"""A worker process and the questions it answers: one JSON line each way. Standard library only.

Each peer lives in a process of its own, because threads, imports and memory of two frameworks in
one process disturb each other. A worker is built once and then asked again and again, in turn with
the others, so that all of them meet the same drift of the machine.
"""

import functools
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TextIO

_SHOWN_LINES = 15
_PATIENCE_S = 60


class BenchmarkError(Exception):
    """A measurement could not be made; the message is one for the terminal."""


class Worker:
    """The asking side."""

    def __init__(self, python: str, module: str, arguments: Sequence[str], log: Path):
        """Starts `python -m module arguments`; what it prints goes to the end of the file `log`."""
        self._name = " ".join([module, *arguments])
        self._log_path = log
        with log.open("a") as output:
            self._process = subprocess.Popen(
                [python, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._questions, self._answers = self._process.stdin, self._process.stdout

    @functools.cached_property
    def versions(self) -> str:
        """Names and versions of what it measures: its first line, which comes when it is built."""
        return self._receive()

    def ask(self, task: str, *arguments: float) -> float:
        """Returns what the worker's `task` returns.

        Raises:
          BenchmarkError: the worker has ended.
        """
        assert self.versions
        try:
            self._questions.write(json.dumps([task, *arguments]) + "\n")
            self._questions.flush()
        except BrokenPipeError:
            pass  # it ended; reading says so
        return self._receive()

    def close(self) -> None:
        """Ends the process, by force if it does not end when told."""
        self._questions.close()
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()

    def _receive(self) -> Any:
        line = self._answers.readline()
        if not line:
            raise BenchmarkError(
                f"{self._name} ended with code "
                f"{self._process.wait()}:\n{last_lines(self._log_path)}"
            )
        return json.loads(line)


def versions(*packages: str) -> str:
    """Returns the names and versions of installed packages."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)


def claim_stdout() -> TextIO:
    """Returns the way back to the asking side, and sends all that anyone prints to standard error
    instead."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def serve(
    answers: TextIO,
    versions: str,
    tasks: dict[str, Callable[..., float]],
    close: Callable[[], None] | None = None,
) -> NoReturn:
    """Answers questions from standard input until that is closed, calls `close`, and ends the
    process.

    At once: there is nothing to keep, and frameworks take seconds to take themselves down.
    """
    tasks = {"peak_memory": peak_memory, **tasks}
    answers.write(json.dumps(versions) + "\n")
    for line in sys.stdin:
        task, *arguments = json.loads(line)
        answers.write(json.dumps(tasks[task](*arguments)) + "\n")
    if close is not None:
        close()
    os._exit(0)


def resident_memory(process: int | str = "self") -> float:
    """Returns the megabytes (10^6 bytes) of memory that a process holds now: this one, or the one
    with that id."""
    return _memory("VmRSS", process)


def peak_memory() -> float:
    """Returns the megabytes (10^6 bytes) of memory that this process held at most."""
    return _memory("VmHWM")


def last_lines(path: Path) -> str:
    """Returns the end of a log."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-_SHOWN_LINES:])


def _memory(field: str, process: int | str = "self") -> float:
    path = Path(f"/proc/{process}/status")
    for line in path.read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024 / 1e6
    raise BenchmarkError(f"{path} has no {field}.")
