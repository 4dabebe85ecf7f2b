"""Runs the processes of a distributed run, as a user does."""

import multiprocessing
import os
import runpy
import signal
import socket
import sys
from pathlib import Path

from sac_tf.distributed.connection import look
from sac_tf.errors import ConfigurationError, RunError
from tests.waiting import eventually

TASK = {
    "train.environment": '"tests.toy:Paced-v0"',
    "train.total_steps": 1_000_000,
    "train.random_steps": 100,
    "train.checkpoint_period": 500,
    "train.batch_size": 16,
    "update.updates_per_call": 2,
    "actor.hidden_units": "(16,)",
    "critic.hidden_units": "(16,)",
    "learner.publication_period": 20,
    "PolicySource.period": 0.2,
    "RunLog.period": 500,
    "connect.wait_s": 300,
}
"""A run that is quick, and does not complete."""


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


def memory(process: "Running") -> int:
    """Resident bytes of a process."""
    pages = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.distributed.imported"])


def _run_program(output: Path, program: str, arguments: list[str]) -> None:
    """Runs `python -m binaries.PROGRAM` in this process, which writes to the file `output`."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    sys.argv = [f"binaries/{program}.py", *arguments]
    runpy.run_module(f"binaries.{program}", run_name="__main__", alter_sys=True)


class Running(_context.Process):
    """A program that writes its output to a file, so that it never waits for a reader.

    Its process is forked from one that has imported TensorFlow, which takes seconds.
    """

    def __init__(self, output: Path, program: str, *arguments: object):
        self.program = program
        self._output = output
        output.touch()
        super().__init__(target=_run_program, args=(output, program, [*map(str, arguments)]))
        self.start()

    def poll(self) -> int | None:
        """Returns the exit code, or None while the process runs."""
        return self.exitcode

    def wait(self, seconds: float | None = None) -> int:
        """Waits for the end of the process, and returns its exit code."""
        self.join(seconds)
        assert self.exitcode is not None, f"still running after {seconds} s. {self.output}"
        return self.exitcode

    def send_signal(self, number: int) -> None:
        assert self.pid is not None
        os.kill(self.pid, number)

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def lines(self) -> list[str]:
        """Output without the progress bar."""
        return [line for line in self.output.splitlines() if "step/s" not in line]

    def wait_for(self, text: str, seconds: float = 300) -> None:
        """Waits until the process has printed `text`."""
        eventually(
            lambda: text in self.output or self.poll() is not None, seconds, lambda: self.output
        )
        assert text in self.output, self.output

    def end(self, seconds: float = 120) -> int:
        """Interrupts the process as Ctrl-C does; returns the exit code."""
        self.send_signal(signal.SIGINT)
        return self.wait(seconds)


class Cluster:
    """The processes of a run in `folder`."""

    def __init__(
        self, folder: Path, servers: int = 1, gin_files: tuple[str, ...] = (), **task: object
    ):
        self.folder = folder
        self.ports = [free_port() for _ in range(servers)]
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

    def start(self, program: str, *arguments: object, **bindings) -> Running:
        """Starts a program; `bindings` override those of the run."""
        extra = [f"--gin_bindings={name}={value}" for name, value in bindings.items()]
        output = self.folder / f"output-{len(self._processes)}-{program}.txt"
        process = Running(output, program, *arguments, *self._gin, *extra)
        self._processes.append(process)
        return process

    def serve(self, number: int = 0, **bindings) -> Running:
        folder = self.folder if number == 0 else self.folder / f"shard-{number}"
        port = f"--port={self.ports[number]}"
        return self.start("replay_server", f"--root_dir={folder}", port, **bindings)

    def learn(self, **bindings) -> Running:
        return self.start("learner", *self._connection, **bindings)

    def collect(self, name: str, **bindings) -> Running:
        return self.start("collector", *self._connection, f"--collector_id={name}", **bindings)

    def evaluate(self, folder: Path | None = None, **bindings) -> Running:
        """Starts an evaluator in `folder`, or in the folder of the run, where one can run."""
        arguments = [f"--root_dir={folder or self.folder}", self._connection[1]]
        return self.start("evaluator", *arguments, **bindings)

    @property
    def _connection(self) -> list[str]:
        return [f"--root_dir={self.folder}", f"--replay_address={self.addresses}"]

    def status(self, number: int = 0) -> dict:
        """The status of a server now, {} if it publishes none."""
        try:
            return look(f"localhost:{self.ports[number]}")
        except (ConfigurationError, RunError):
            return {}

    def inserted(self) -> int:
        return self.status().get("rows", {}).get("inserted", 0)

    def heartbeat(self, process: str) -> dict:
        """The last heartbeat of a process, {} without one."""
        return self.status().get("processes", {}).get(process, {})

    def updates(self) -> int:
        return self.heartbeat("learner").get("updates", 0)

    def words(self) -> str:
        return "\n".join(
            f"--- {process.program}\n{process.output[-2000:]}" for process in self._processes
        )

    def wait_until(self, condition, seconds: float = 300):
        return eventually(condition, seconds, self.words)
