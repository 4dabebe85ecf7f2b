"""Interleaved speed comparison of this working tree and another commit.

python -m benchmarks.compare --baseline=COMMIT --rounds=5 --only=update

Each round measures COMMIT ("before") and this tree ("now") in turn, each in new processes, so that
a drift of the machine affects both. Every tree runs its own benchmarks.ours and
benchmarks.train_run, so their Python names may differ. Values are printed as they come; the last
lines are medians with the least and the greatest value, and now/before, computed per round. Rates
are per second, `_cpu` rates per second of processor time, which a busy machine changes less.
"""

import contextlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from absl import flags

from benchmarks import commits, provenance, results
from benchmarks.channel import BenchmarkError, Worker, last_lines
from benchmarks.results import Sample
from benchmarks.sizes import HALF_CHEETAH, REDQ, Size
from binaries import launch
from sac_tf.errors import RunError

Trees: TypeAlias = Mapping[str, Path]
"""Folders with the code of each commit, by the name of the commit in the output."""

BEFORE = "before"
NOW = "now"
_UPDATE_REPEATS = 12
"""Requests to a worker in one round, of which the median counts."""

_TRAIN = """
import pathlib, sys
from benchmarks import sizes, train_run
size, root_dir, log = sys.argv[1:]
run = train_run.train(sizes.SIZES[size], pathlib.Path(root_dir), pathlib.Path(log))
print(run.steps_per_second)
"""


class Measurement(NamedTuple):
    """What one part measures in one round, of every tree.

    Attributes:
      what: is measured; a rate.
      of: the tree.
      rate: the value.
    """

    what: str
    of: str
    rate: float


def updates_per_second(trees: Trees, log: Path, size: Size, updates: int) -> list[Measurement]:
    """Measures updates per second, and per second of processor time, with the replay filled in
    advance.

    The workers of both trees are started anew, and then asked alternately, a second or so each: on
    a busy machine that is fairer than one after the other.
    """
    what = f"{size.name}_update"
    with contextlib.ExitStack() as stack:
        workers = {}
        for name, tree in trees.items():
            worker = Worker(sys.executable, "benchmarks.ours", [size.name], log, tree)
            workers[name] = stack.enter_context(contextlib.closing(worker))
        for worker in workers.values():
            worker.ask("update", updates)  # compiles
        rates: dict[str, list[float]] = {name: [] for name in workers}
        cpu_seconds = dict.fromkeys(workers, 0.0)
        for _ in range(_UPDATE_REPEATS):
            for name, worker in workers.items():
                before = worker.cpu_seconds()
                rates[name].append(worker.ask("update", updates))
                cpu_seconds[name] += worker.cpu_seconds() - before
    done = _UPDATE_REPEATS * updates
    found = [Measurement(what, name, statistics.median(rates[name])) for name in trees]
    return found + [Measurement(f"{what}_cpu", name, done / cpu_seconds[name]) for name in trees]


def steps_per_second(trees: Trees, log: Path, size: Size) -> list[Measurement]:
    """Measures environment steps per second of the training loop."""
    what = f"{size.name}_loop"
    return [Measurement(what, name, _train(tree, log, size)) for name, tree in trees.items()]


def _train(tree: Path, log: Path, size: Size) -> float:
    with tempfile.TemporaryDirectory() as folder, log.open("a") as output:
        arguments = [size.name, f"{folder}/run", str(log)]
        command = [sys.executable, "-c", _TRAIN, *arguments]
        process = subprocess.run(
            command, cwd=tree, check=False, stdout=subprocess.PIPE, stderr=output, text=True
        )
    if process.returncode != 0:
        raise BenchmarkError(f"The loop in {tree} failed:\n{last_lines(log)}")
    return float(process.stdout)


_PARTS: dict[str, Callable[[Trees, Path], list[Measurement]]] = {
    "update": lambda trees, log: updates_per_second(trees, log, HALF_CHEETAH, 160),
    "loop": lambda trees, log: steps_per_second(trees, log, HALF_CHEETAH),
    "redq": lambda trees, log: updates_per_second(trees, log, REDQ, 40),
}

_BASELINE = flags.DEFINE_string("baseline", None, "Commit to compare with.", required=True)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds of each part.", lower_bound=1)
_ONLY = flags.DEFINE_multi_enum(
    "only", [], list(_PARTS), "A part to run; repeat for several. All by default."
)


def main(arguments: list[str]) -> None:
    """Runs the parts and prints the comparison."""
    launch.refuse_arguments(arguments)
    print(f"{provenance.commit()} against {_BASELINE.value}; {provenance.machine()}", flush=True)
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory() as folder:
        baseline = Path(folder) / "baseline"
        commits.export(_BASELINE.value, baseline)
        trees = {BEFORE: baseline, NOW: commits.REPOSITORY}
        for part in _ONLY.value or _PARTS:
            try:
                samples += _run(_PARTS[part], trees, Path(folder) / "log.txt")
            except BenchmarkError as error:
                raise RunError(" ".join(str(error).split())) from error
    print("\n".join(["", *results.table(samples), *results.comparison(samples, NOW, BEFORE)]))


def _run(part: Callable[[Trees, Path], list[Measurement]], trees: Trees, log: Path) -> list[Sample]:
    samples = []
    for number in range(_ROUNDS.value):
        for found in part(trees, log):
            samples.append(Sample(found.of, found.what, number, found.rate, versions=""))
            print(f"{found.what} {found.of} [{number + 1}] {found.rate:.4g}", flush=True)
    return samples


if __name__ == "__main__":
    launch.run(main)
