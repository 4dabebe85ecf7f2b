"""Runs of real processes, started, looked at, hurt and ended as a user would."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from sac_tf.distributed.connection import look
from sac_tf.errors import ConfigurationError, RunError

TASK = {
    "train.environment": '"tests.toy:Paced-v0"',
    "train.total_steps": 1_000_000,
    "train.random_steps": 100,
    "train.checkpoint_period": 500,
    "train.batch_size": 16,
    "update.updates_per_call": 4,
    "actor.hidden_units": "(16,)",
    "critic.hidden_units": "(16,)",
    "learner.publication_period": 20,
    "PolicySource.period": 0.2,
    "RunLog.period": 500,
    "connect.wait_s": 60,
}
"""A run that is quick, and does not end by itself."""


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


def memory(process: "Running") -> int:
    """Resident bytes of a process."""
    pages = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class Running(subprocess.Popen):
    """A binary; its output is in a file, so that it never waits for a reader."""

    def __init__(self, output: Path, *arguments: object):
        self._output = output
        with output.open("a") as file:
            command = [sys.executable, "-m", *map(str, arguments)]
            super().__init__(command, stdout=file, stderr=subprocess.STDOUT, text=True)

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Waits until the process has printed `text`."""
        wait_until(
            lambda: text in self.output or self.poll() is not None, seconds, lambda: self.output
        )
        assert text in self.output, self.output

    def end(self, seconds: float = 20) -> int:
        """As Ctrl-C; returns the exit code."""
        self.send_signal(signal.SIGINT)
        return self.wait(seconds)


def wait_until(condition, seconds=60.0, words=lambda: ""):
    """Returns what `condition()` returns once that is true; fails after so many seconds."""
    ends = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < ends, f"waited {seconds} s in vain. {words()}"
        time.sleep(0.1)
    return value


class Cluster:
    """The processes of a run in `folder`."""

    def __init__(
        self,
        folder: Path,
        servers: int = 1,
        gin_files: tuple[str, ...] = (),
        **task,
    ):
        self.folder, self.ports = folder, [free_port() for _ in range(servers)]
        settings = {**TASK, "replay_server.servers": servers, **task}
        self._gin = [f"--gin_file={file}" for file in gin_files]
        self._gin += [f"--gin_bindings={name}={value}" for name, value in settings.items()]
        self._processes: list[Running] = []

    @property
    def addresses(self) -> str:
        return ",".join(f"localhost:{port}" for port in self.ports)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def start(self, binary: str, *arguments: object, **bindings) -> Running:
        """Starts a binary; `bindings` come last and so win."""
        extra = [f"--gin_bindings={name}={value}" for name, value in bindings.items()]
        output = self.folder / f"output-{len(self._processes)}-{binary}.txt"
        process = Running(output, f"binaries.{binary}", *arguments, *self._gin, *extra)
        self._processes.append(process)
        return process

    def serve(self, number: int = 0, **bindings) -> Running:
        folder = self.folder if number == 0 else self.folder / f"shard-{number}"
        return self.start(
            "replay_server", f"--root_dir={folder}", f"--port={self.ports[number]}", **bindings
        )

    def learn(self, **bindings) -> Running:
        return self.start(
            "learner", f"--root_dir={self.folder}", f"--replay_address={self.addresses}", **bindings
        )

    def collect(self, name: str, **bindings) -> Running:
        given = (
            f"--root_dir={self.folder}",
            f"--replay_address={self.addresses}",
            f"--collector_id={name}",
        )
        return self.start("collector", *given, **bindings)

    def follow(self, **bindings) -> Running:
        given = (f"--root_dir={self.folder}", f"--replay_address={self.addresses}")
        return self.start("evaluator", *given, **bindings)

    def board(self, number: int = 0) -> dict:
        """What the server says now, {} if it does not."""
        try:
            return look(f"localhost:{self.ports[number]}")
        except (ConfigurationError, RunError):
            return {}

    def inserted(self) -> int:
        return self.board().get("rows", {}).get("inserted", 0)

    def process(self, name: str) -> dict:
        """What the board says of a process, {} if it was not heard."""
        return self.board().get("processes", {}).get(name, {})

    def updates(self) -> int:
        return self.process("learner").get("updates", 0)

    def words(self) -> str:
        return "\n".join(
            f"--- {process.args[2]}\n{process.output[-2000:]}" for process in self._processes
        )

    def wait_until(self, condition, seconds: float = 60):
        return wait_until(condition, seconds, self.words)
