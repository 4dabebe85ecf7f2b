"""The parts of `benchmarks.speed`: the contenders of each, their order, and the durations."""

import contextlib
import functools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import channel
from benchmarks.channel import Worker
from benchmarks.results import BFLOAT16, OURS, Sample, slope
from benchmarks.sizes import (
    CQL,
    HALF_CHEETAH,
    HUMANOID,
    OUR_PACKAGES,
    PIXELS,
    REDQ,
    UPDATES_PER_CALL,
    Size,
)
from benchmarks.train_run import train
from sac_tf.runs.processor import multiplies_bfloat16

_OUR_ENVIRONMENT = {OURS: "benchmarks.ours", "tf_agents": "benchmarks.tf_agents_peer"}
"""Workers that run in the environment of this library; the others run in that of the peers."""
_STABLE_BASELINES = "benchmarks.stable_baselines"
_D3RLPY = "benchmarks.d3rlpy_peer"
_LONG_PART_REPEATS = 3
_ROUNDS_OF_UPDATES = 3
"""Rounds per repeat of updates: a round takes only seconds, and the ratios are close to 1."""
_MILLION = 1_000_000
_FILLS = {HALF_CHEETAH: (50_000, 150_000), HUMANOID: (20_000, 80_000)}


class Contender(NamedTuple):
    """One of the contenders of a round.

    Attributes:
      peer: name.
      versions: of its packages.
      measure: returns one value. Also called once before the first round, to compile, unless each
        call starts a new process.
      starts_process: whether each call starts a new process.
    """

    peer: str
    versions: str
    measure: Callable[[], float]
    starts_process: bool = False


class Suite:
    """Runs parts and collects their measurements.

    Attributes:
      samples: all values so far.
    """

    def __init__(self, peers_python: str, log: Path, repeats: int, quick: bool):
        """Takes settings of the measurements.

        Args:
          peers_python: interpreter of the environment of the peers.
          log: file for the output of workers.
          repeats: rounds of each part.
          quick: makes the measurements short.
        """
        self.samples: list[Sample] = []
        self._peers_python = peers_python
        self._log = log
        self._repeats = repeats
        self._quick = quick
        self._shorten = 4 if quick else 1
        self._start = time.monotonic()

    def update(self) -> None:
        """Updates per second at HalfCheetah sizes: all peers, ours also in bfloat16 if the
        processor has it, and the bare products."""
        repeats = self._repeats if self._quick else _ROUNDS_OF_UPDATES * self._repeats
        self._updates(HALF_CHEETAH, repeats)

    def loop(self) -> None:
        """Environment steps per second on HalfCheetah; ours also gives the first update and the
        peak memory.

        SBX and Stable-Baselines3 learn with their defaults, one update after each step.
        `sbx_grouped` is SBX configured for 16 steps, then 16 updates, as our defaults do.
        """
        with self._workers() as start:
            sbx = start("sbx", HALF_CHEETAH)
            sb3 = start("sb3", HALF_CHEETAH)
            grouped = start("sbx", HALF_CHEETAH, str(UPDATES_PER_CALL))
            contenders = [
                self._train(HALF_CHEETAH),
                self._asking("sbx", sbx, "loop", 1000),
                self._asking("sbx_grouped", grouped, "loop", 1000),
                self._asking("sb3", sb3, "loop", 480),
            ]
            self._rounds("half_cheetah_loop", contenders, self._repeats)

    def redq(self) -> None:
        """Ten critics and 20 updates for each step: ours and SBX."""
        with self._workers() as start:
            ours = start(OURS, REDQ)
            sbx = start("sbx", REDQ)
            rates = [
                self._asking(OURS, ours, "update", 100),
                self._asking("sbx", sbx, "update", 20, 5),
            ]
            self._rounds("redq_update", rates, self._repeats)
        with self._workers() as start:
            loops = [self._train(REDQ), self._asking("sbx", start("sbx", REDQ), "loop", 40)]
            self._rounds("redq_loop", loops, min(self._repeats, _LONG_PART_REPEATS))

    def humanoid(self) -> None:
        """Humanoid sizes: updates of all peers, the loop of ours and SBX."""
        self._updates(HUMANOID, self._repeats)
        with self._workers() as start:
            loops = [
                self._train(HUMANOID),
                self._asking("sbx", start("sbx", HUMANOID), "loop", 1000),
            ]
            self._rounds("humanoid_loop", loops, min(self._repeats, _LONG_PART_REPEATS))

    def memory(self) -> None:
        """Bytes of a transition: the slope between two processes with few and many transitions, so
        that everything counts. Both have room for a million, which TensorFlow's allocator keeps
        records of."""
        versions = channel.versions(*OUR_PACKAGES)
        for size, (few, many) in _FILLS.items():
            numbers = (few // self._shorten, many // self._shorten)
            held: list[float] = []
            for rows in numbers:
                with self._workers() as start:
                    held.append(start(OURS, size).ask("fill", rows, _MILLION))
                what = f"{size.name}_bytes_with_{rows}_rows"
                self._add(Sample(OURS, what, 0, held[-1], versions))
            per_row, without_rows = slope(numbers, (held[0], held[1]))
            million = (without_rows + _MILLION * per_row) / 1e9
            self._add(Sample(OURS, f"{size.name}_bytes_per_transition", 0, per_row, versions))
            self._add(Sample(OURS, f"{size.name}_million_gigabytes", 0, million, versions))

    def pixels(self) -> None:
        """Updates per second from images: ours, with random shifts, and Stable-Baselines3's with
        the same networks and without shifts."""
        for size in PIXELS:
            with self._workers() as start:
                contenders = [
                    self._asking(OURS, start(OURS, size), "update", 40),
                    self._asking("sb3", start("sb3", size), "update", 20, 1),
                ]
                self._rounds(f"{size.name}_update", contenders, self._repeats)

    def offline(self) -> None:
        """Updates per second of CQL, ours and d3rlpy's, with the same sizes."""
        with self._workers() as start:
            contenders = [
                self._asking(OURS, start(OURS, CQL), "update", 160),
                self._asking("d3rlpy", start("d3rlpy", CQL), "update", 80),
            ]
            self._rounds("cql_update", contenders, self._repeats)

    def _updates(self, size: Size, repeats: int) -> None:
        with self._workers() as start:
            ours = start(OURS, size)
            sbx = start("sbx", size)
            sb3 = start("sb3", size)
            contenders = [
                self._asking(OURS, ours, "update", 400),
                self._asking("gemm", ours, "gemm", 400),
                self._asking("sbx", sbx, "update", 300, 1),
                self._asking("tf_agents", start("tf_agents", size), "update", 240),
                self._asking("sb3", sb3, "update", 160, 1),
            ]
            if multiplies_bfloat16():
                rounded = start(OURS, size, "set_runtime.bfloat16_products = True")
                contenders.insert(1, self._asking(BFLOAT16, rounded, "update", 400))
            self._rounds(f"{size.name}_update", contenders, repeats)

    def _rounds(self, what: str, contenders: list[Contender], repeats: int) -> None:
        for contender in contenders:
            if not contender.starts_process:
                self._say(f"{what} {contender.peer} warms up")
                contender.measure()
        for repeat in range(repeats):
            for contender in contenders:
                value = contender.measure()
                self._add(Sample(contender.peer, what, repeat, value, contender.versions))

    def _asking(self, peer: str, worker: Worker, task: str, *counts: int) -> Contender:
        """Returns a contender that asks its worker; the first count is smaller in a quick suite."""
        first = max(counts[0] // self._shorten, 20)
        measure = functools.partial(worker.ask, task, first, *counts[1:])
        return Contender(peer, worker.versions, measure)

    def _train(self, size: Size) -> Contender:
        """Returns ours as a user starts it. Its other measurements become samples of the same
        round."""
        versions = channel.versions(*OUR_PACKAGES)
        rounds = iter(range(self._repeats))

        def measure() -> float:
            repeat = next(rounds)
            with tempfile.TemporaryDirectory() as folder:
                run = train(size, Path(folder) / "run", self._log, self._quick)
            for name, value in run._asdict().items():
                if name != "steps_per_second":
                    self._add(Sample(OURS, f"{size.name}_{name}", repeat, value, versions))
            return run.steps_per_second

        return Contender(OURS, versions, measure, starts_process=True)

    @contextlib.contextmanager
    def _workers(self) -> Iterator[Callable[..., Worker]]:
        """Yields f(peer, size, *arguments), which starts a worker, and ends all workers on exit."""
        with contextlib.ExitStack() as stack:

            def start(peer: str, size: Size, *arguments: str) -> Worker:
                self._say(f"{size.name} starting {' '.join([peer, *arguments])}")
                if peer in _OUR_ENVIRONMENT:
                    python = sys.executable
                    module = _OUR_ENVIRONMENT[peer]
                    arguments = (size.name, *arguments)
                elif peer == "d3rlpy":
                    python = self._peers_python
                    module = _D3RLPY
                    arguments = (size.name, *arguments)
                else:
                    python = self._peers_python
                    module = _STABLE_BASELINES
                    arguments = (peer, size.name, *arguments)
                worker = Worker(python, module, arguments, self._log)
                return stack.enter_context(contextlib.closing(worker))

            yield start

    def _add(self, sample: Sample) -> None:
        self.samples.append(sample)
        self._say(f"{sample.what} {sample.peer} [{sample.repeat + 1}] {sample.value:.4g}")

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._start:5.0f} s  {text}", flush=True)
