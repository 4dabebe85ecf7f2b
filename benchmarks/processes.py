"""The programs of a run on many processes: started, looked at and ended by a benchmark."""

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
_BINARIES = {
    "server": "replay_server",
    "learner": "learn",
    "collector": "collect",
    "evaluator": "evaluate",
}


class Programs:
    """The programs of one run on this machine. What `name` prints is in the folder of the run, in
    `name.txt`.

    Names are "server", "learner", "evaluator", and "collector" or "collector-1" and so on.
    """

    def __init__(self, root_dir: Path, gin_file: str, bindings: Sequence[str]):
        """Makes the folder, and starts nothing yet."""
        root_dir.mkdir(parents=True)
        self.root_dir, self.processes = root_dir, dict[str, subprocess.Popen]()
        with socket.create_server(("localhost", 0)) as free:
            self._port = free.getsockname()[1]
        bindings = ["connect.wait_s = 120", *bindings]
        self._settings = [
            f"--gin_file={gin_file}",
            *(f"--gin_bindings={binding}" for binding in bindings),
        ]

    @property
    def address(self) -> str:
        return f"localhost:{self._port}"

    def start(self, name: str, *bindings: str, root_dir: Path | None = None) -> None:
        """Starts a program; `bindings` come last and so win. In a folder of its own if `root_dir`
        is given."""
        kind = name.partition("-")[0]
        arguments = [f"--root_dir={root_dir or self.root_dir}", *self._settings]
        arguments += [f"--gin_bindings={binding}" for binding in bindings]
        arguments += (
            [f"--port={self._port}"] if kind == "server" else [f"--replay_address={self.address}"]
        )
        arguments += {"collector": [f"--collector_id={name}"], "evaluator": ["--follow"]}.get(
            kind, []
        )
        with self._output(name).open("a") as output:
            command = [sys.executable, "-m", f"binaries.{_BINARIES[kind]}", *arguments]
            self.processes[name] = subprocess.Popen(command, stdout=output, stderr=output)

    def board(self) -> dict[str, Any]:
        """Returns what the server shows, {} if it does not answer."""
        try:
            return look(self.address)
        except (ConfigurationError, RunError):
            return {}

    def heard(self, since: float = 0.0) -> dict[str, dict[str, Any]]:
        """Returns {who: heartbeat}, of those heard since a UNIX time."""
        processes = self.board().get("processes", {})
        return {who: heartbeat for who, heartbeat in processes.items() if heartbeat["time"] > since}

    def wait_until(self, condition: Callable[[], T], what: str, seconds: float) -> T:
        """Returns the first true value of `condition()`.

        Raises:
          BenchmarkError: it did not come in time, or a program broke meanwhile.
        """
        ends = time.monotonic() + seconds
        while not (value := condition()):
            for name, process in self.processes.items():
                if process.poll() not in (None, 0):
                    raise BenchmarkError(
                        f"{name} ended with {process.poll()}: {last_lines(self._output(name))}"
                    )
            if time.monotonic() > ends:
                raise BenchmarkError(
                    f"waited {seconds:.0f} s for {what} in vain, in {self.root_dir}"
                )
            time.sleep(_POLL_S)
        return value

    def stop(self, *names: str) -> None:
        """Ends programs as Ctrl-C does, all at once.

        Raises:
          BenchmarkError: one did not end, or not cleanly.
        """
        for name in names:
            self.processes[name].send_signal(signal.SIGINT)
        for name in names:
            try:
                code = self.processes[name].wait(_END_S)
            except subprocess.TimeoutExpired:
                raise BenchmarkError(f"{name} went on for {_END_S} s after SIGINT") from None
            if code not in (0, 128 + signal.SIGINT):
                raise BenchmarkError(f"{name} ended with {code}: {last_lines(self._output(name))}")
            del self.processes[name]

    def _output(self, name: str) -> Path:
        return self.root_dir / f"{name}.txt"


@contextlib.contextmanager
def running(root_dir: Path, gin_file: str, bindings: Sequence[str]) -> Iterator[Programs]:
    """Yields `Programs`, and kills those that are left at last."""
    programs = Programs(root_dir, gin_file, bindings)
    try:
        yield programs
    finally:
        for process in programs.processes.values():
            process.kill()
            process.wait()
