"""Worker processes of a benchmark, and the requests that they answer: one JSON line each way.

Standard library only. Each peer runs in its own process, because threads, imports and memory of two
frameworks in one process disturb each other. A worker is built once and then asked repeatedly, in
turn with the others, so that a drift of the machine affects all of them.
"""

import contextlib
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
_END_S = 60


class BenchmarkError(Exception):
    """A measurement that could not be made, with a message for the terminal."""


class Worker:
    """A worker process, seen from the process that sends requests to it."""

    def __init__(
        self,
        python: str,
        module: str,
        arguments: Sequence[str],
        log: Path,
        folder: Path | None = None,
    ):
        """Starts `python -m module arguments`.

        Args:
          python: the interpreter.
          module: serves requests (`serve`).
          arguments: of the module.
          log: file to which the output of the process is appended.
          folder: to start it in; None for the current one.
        """
        self._name = " ".join([module, *arguments])
        self._log_path = log
        with log.open("a") as output:
            self._process = subprocess.Popen(
                [python, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                cwd=folder,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests = self._process.stdin
        self._responses = self._process.stdout

    @functools.cached_property
    def versions(self) -> str:
        """Names and versions of the measured packages: the first line, sent once it is built."""
        return self._receive()

    def ask(self, task: str, *arguments: float) -> float:
        """Returns the result of `task(*arguments)` in the worker.

        Raises:
          BenchmarkError: the worker has ended.
        """
        assert self.versions
        with contextlib.suppress(BrokenPipeError):  # it ended; `_receive` raises
            self._requests.write(json.dumps([task, *arguments]) + "\n")
            self._requests.flush()
        return self._receive()

    def cpu_seconds(self) -> float:
        """Returns the processor time that the process has used, in all of its threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])  # utime and stime, see proc(5)
        return ticks / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Ends the process; kills it if it does not end in time."""
        self._requests.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._responses.close()

    def _receive(self) -> Any:
        line = self._responses.readline()
        if not line:
            code = self._process.wait()
            raise BenchmarkError(
                f"{self._name} ended with code {code}:\n{last_lines(self._log_path)}"
            )
        return json.loads(line)


def versions(*packages: str) -> str:
    """Returns the names and versions of installed packages."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)


def limit_cores(number: int) -> None:
    """Keeps this process, and those that it starts, to some of its cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:number])


def cores() -> int:
    """Returns how many cores this process may use: the number of threads of every contender."""
    return len(os.sched_getaffinity(0))


def claim_stdout() -> TextIO:
    """Returns a stream for responses, and redirects everything else that is printed to standard
    error."""
    responses = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return responses


def serve(
    responses: TextIO,
    versions: str,
    tasks: dict[str, Callable[..., float]],
    close: Callable[[], None] | None = None,
) -> NoReturn:
    """Answers requests from standard input until it is closed, calls `close`, and ends the process.

    It ends without Python's own shutdown: there is nothing to save, and frameworks take seconds to
    shut down.
    """
    tasks = {"peak_memory": peak_memory, **tasks}
    responses.write(json.dumps(versions) + "\n")
    for line in sys.stdin:
        task, *arguments = json.loads(line)
        responses.write(json.dumps(tasks[task](*arguments)) + "\n")
    if close is not None:
        close()
    os._exit(0)


def resident_memory(process: int | str = "self") -> float:
    """Returns the resident memory of a process in megabytes (10^6 bytes): this one, or the one with
    that id."""
    return _memory("VmRSS", process)


def peak_memory() -> float:
    """Returns the peak resident memory of this process in megabytes (10^6 bytes)."""
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
