"""The programs of a distributed run, started, monitored and stopped by a benchmark."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.channel import BenchmarkError, last_lines
from sac_tf.distributed.connection import look
from sac_tf.errors import ConfigurationError, RunError

T = TypeVar("T")
_POLL_S = 0.2
_END_S = 60
_SERVER = "server"
_BINARIES = {
    _SERVER: "replay_server",
    "learner": "learner",
    "collector": "collector",
    "evaluator": "evaluator",
}


class Programs:
    """The programs of one distributed run on this machine.

    Names are "server", "learner", "evaluator", and "collector" or "collector-1" and so on. The
    output of a program is in the folder of the run, in `NAME.txt`.
    """

    def __init__(self, root_dir: Path, gin_file: str, bindings: Sequence[str]):
        """Creates the folder, and starts nothing yet."""
        root_dir.mkdir(parents=True)
        self.root_dir = root_dir
        self.processes: dict[str, subprocess.Popen] = {}
        with socket.create_server(("localhost", 0)) as free:
            self._port = free.getsockname()[1]
        self._flags = [f"--gin_file={gin_file}"]
        self._flags += _as_flags(["connect.wait_s = 120", *bindings])

    @property
    def address(self) -> str:
        """Of the replay server."""
        return f"localhost:{self._port}"

    def start(self, name: str, *bindings: str, root_dir: Path | None = None) -> None:
        """Starts a program.

        Args:
          name: of the program.
          *bindings: more gin bindings, which override those of the run.
          root_dir: its own folder; None for the folder of the run.
        """
        kind = name.partition("-")[0]
        arguments = [f"--root_dir={root_dir or self.root_dir}", *self._flags, *_as_flags(bindings)]
        if kind == _SERVER:
            arguments.append(f"--port={self._port}")
        else:
            arguments.append(f"--replay_address={self.address}")
        if kind == "collector":
            arguments.append(f"--collector_id={name}")
        command = [sys.executable, "-m", f"binaries.{_BINARIES[kind]}", *arguments]
        with self._output(name).open("a") as output:
            self.processes[name] = subprocess.Popen(command, stdout=output, stderr=output)

    def status(self) -> dict[str, Any]:
        """Returns the status of the run from the replay server, {} if it does not answer."""
        try:
            return look(self.address)
        except (ConfigurationError, RunError):
            return {}

    def heartbeats(self, since: float = 0.0) -> dict[str, dict[str, Any]]:
        """Returns {process: heartbeat} of the heartbeats sent after a UNIX time."""
        processes = self.status().get("processes", {})
        return {who: beat for who, beat in processes.items() if beat["time"] > since}

    def wait_until(self, condition: Callable[[], T], what: str, seconds: float) -> T:
        """Returns the first true value of `condition()`.

        Raises:
          BenchmarkError: a timeout, or a program that failed meanwhile.
        """
        ends = time.monotonic() + seconds
        while not (value := condition()):
            for name, process in self.processes.items():
                code = process.poll()
                if code not in (None, 0):
                    raise self._failure(name, code)
            if time.monotonic() > ends:
                raise BenchmarkError(
                    f"Timeout: waited {seconds:.0f} s for {what}, in {self.root_dir}"
                )
            time.sleep(_POLL_S)
        return value

    def stop(self, *names: str) -> None:
        """Interrupts programs as Ctrl-C does, and waits for their ends.

        Raises:
          BenchmarkError: one did not end in time, or failed.
        """
        for name in names:
            self.processes[name].send_signal(signal.SIGINT)
        for name in names:
            try:
                code = self.processes[name].wait(_END_S)
            except subprocess.TimeoutExpired:
                raise BenchmarkError(f"{name} still ran {_END_S} s after SIGINT") from None
            if code not in (0, 128 + signal.SIGINT):
                raise self._failure(name, code)
            del self.processes[name]

    def _failure(self, name: str, code: int | None) -> BenchmarkError:
        return BenchmarkError(f"{name} ended with code {code}: {last_lines(self._output(name))}")

    def _output(self, name: str) -> Path:
        return self.root_dir / f"{name}.txt"


@contextlib.contextmanager
def running(root_dir: Path, gin_file: str, bindings: Sequence[str]) -> Iterator[Programs]:
    """Yields `Programs`, and kills those that still run at the end."""
    programs = Programs(root_dir, gin_file, bindings)
    try:
        yield programs
    finally:
        for process in programs.processes.values():
            process.kill()
            process.wait()


def _as_flags(bindings: Sequence[str]) -> list[str]:
    return [f"--gin_bindings={binding}" for binding in bindings]
