"""The parts of the benchmark: who is measured at what, in which order, and for how long."""

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
from benchmarks.sizes import HALF_CHEETAH, HUMANOID, OUR_PACKAGES, REDQ, UPDATES_PER_CALL, Size
from benchmarks.train_run import train
from sac_tf.runs.processor import multiplies_bfloat16

_OURS, _TF_AGENTS, _PEERS = (
    "benchmarks.ours",
    "benchmarks.tf_agents_peer",
    "benchmarks.stable_baselines",
)
_LONG_PART_REPEATS = 3
_ROUNDS_OF_UPDATES = 3
"""Rounds for each repeat where one takes seconds only, and the ratios asked of it are close."""
_FILLS = {HALF_CHEETAH: (50_000, 150_000), HUMANOID: (20_000, 80_000)}


class Contender(NamedTuple):
    """One of those that take turns.

    Attributes:
      peer: name.
      versions: of what it runs.
      measure: returns one value. Called once before the first round too, to compile, unless it
        starts a new process.
      starts_afresh: whether it does.
    """

    peer: str
    versions: str
    measure: Callable[[], float]
    starts_afresh: bool = False


class Suite:
    """Runs parts and keeps what they measured.

    Attributes:
      samples: all values so far.
    """

    def __init__(self, peers_python: str, log: Path, repeats: int, quick: bool):
        """Takes the Python of the peers, a file for what workers print, rounds of each part, and
        whether to hurry."""
        self.samples: list[Sample] = []
        self._peers_python, self._log, self._repeats, self._quick = (
            peers_python,
            log,
            repeats,
            quick,
        )
        self._shorten = 4 if quick else 1
        self._start = time.monotonic()

    def update(self) -> None:
        """Updates per second at HalfCheetah sizes: everybody, ours in bfloat16 too if it can, and
        the bare products."""
        self._updates(
            HALF_CHEETAH, self._repeats if self._quick else _ROUNDS_OF_UPDATES * self._repeats
        )

    def loop(self) -> None:
        """Environment steps per second on HalfCheetah; ours also gives the first update and the
        peak memory.

        SBX and Stable-Baselines3 learn as their defaults say, one update after each step.
        `sbx_grouped` is SBX
        as it could be configured: 16 steps, then 16 updates, which is what our defaults do.
        """
        with self._workers() as start:
            sbx, sb3 = start("sbx", HALF_CHEETAH), start("sb3", HALF_CHEETAH)
            grouped = start("sbx", HALF_CHEETAH, str(UPDATES_PER_CALL))
            self._rounds(
                "half_cheetah_loop",
                [
                    self._train(HALF_CHEETAH),
                    self._asking("sbx", sbx, "loop", 1000),
                    self._asking("sbx_grouped", grouped, "loop", 1000),
                    self._asking("sb3", sb3, "loop", 480),
                ],
                self._repeats,
            )

    def redq(self) -> None:
        """Ten critics and 20 updates for each step: ours and SBX."""
        with self._workers() as start:
            ours, sbx = start(OURS, REDQ), start("sbx", REDQ)
            rates = [
                self._asking(OURS, ours, "update", 100),
                self._asking("sbx", sbx, "update", 20, 5),
            ]
            self._rounds("redq_update", rates, self._repeats)
        with self._workers() as start:
            loops = [self._train(REDQ), self._asking("sbx", start("sbx", REDQ), "loop", 40)]
            self._rounds("redq_loop", loops, min(self._repeats, _LONG_PART_REPEATS))

    def humanoid(self) -> None:
        """Humanoid sizes: updates of everybody, the loop of ours and SBX."""
        self._updates(HUMANOID, self._repeats)
        with self._workers() as start:
            loops = [
                self._train(HUMANOID),
                self._asking("sbx", start("sbx", HUMANOID), "loop", 1000),
            ]
            self._rounds("humanoid_loop", loops, min(self._repeats, _LONG_PART_REPEATS))

    def memory(self) -> None:
        """Bytes of a transition: the slope between two processes that hold few and many, so nothing
        is left out."""
        for size, (few, many) in _FILLS.items():
            numbers = (few // self._shorten, many // self._shorten)
            held: list[float] = []
            for rows in numbers:
                with self._workers() as start:
                    worker = start(OURS, size)
                    held.append(worker.ask("fill", rows))
                    self._add(
                        Sample(
                            OURS,
                            f"{size.name}_bytes_with_{rows}_rows",
                            0,
                            held[-1],
                            worker.versions,
                        )
                    )
                    versions = worker.versions
            per_row, without_rows = slope(numbers, (held[0], held[1]))
            million = (without_rows + 1e6 * per_row) / 1e9
            self._add(Sample(OURS, f"{size.name}_bytes_per_transition", 0, per_row, versions))
            self._add(Sample(OURS, f"{size.name}_million_gigabytes", 0, million, versions))

    def _updates(self, size: Size, repeats: int) -> None:
        with self._workers() as start:
            ours, sbx, sb3 = start(OURS, size), start("sbx", size), start("sb3", size)
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
            if not contender.starts_afresh:
                self._say(f"{what} {contender.peer} warms up")
                contender.measure()
        for repeat in range(repeats):
            for contender in contenders:
                self._add(
                    Sample(contender.peer, what, repeat, contender.measure(), contender.versions)
                )

    def _asking(self, peer: str, worker: Worker, task: str, *counts: int) -> Contender:
        """Returns a contender that asks its worker; a hurried suite makes the first count
        smaller."""
        first = max(counts[0] // self._shorten, 20)
        return Contender(
            peer, worker.versions, functools.partial(worker.ask, task, first, *counts[1:])
        )

    def _train(self, size: Size) -> Contender:
        """Returns ours as a user runs it. Its other two figures become samples too, in the same
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

        return Contender(OURS, versions, measure, starts_afresh=True)

    @contextlib.contextmanager
    def _workers(self) -> Iterator[Callable[..., Worker]]:
        """Yields f(peer, size, *arguments), which starts a worker, and ends all of them at last."""
        with contextlib.ExitStack() as stack:

            def start(peer: str, size: Size, *arguments: str) -> Worker:
                self._say(f"{size.name} starting {' '.join([peer, *arguments])}")
                own = {OURS: _OURS, "tf_agents": _TF_AGENTS}
                python = sys.executable if peer in own else self._peers_python
                module, first = own.get(peer, _PEERS), [] if peer in own else [peer]
                return stack.enter_context(
                    contextlib.closing(
                        Worker(python, module, [*first, size.name, *arguments], self._log)
                    )
                )

            yield start

    def _add(self, sample: Sample) -> None:
        self.samples.append(sample)
        self._say(f"{sample.what} {sample.peer} [{sample.repeat + 1}] {sample.value:.4g}")

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._start:5.0f} s  {text}", flush=True)
