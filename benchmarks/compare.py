"""Interleaved speed comparison of this working tree and another commit.

python -m benchmarks.compare --baseline=COMMIT --rounds=5 --only=update

Each round measures COMMIT ("before") and this tree ("now") in turn, each in new processes, so that
a drift of the machine affects both. Every tree runs its own benchmarks.ours and
benchmarks.train_run, so their Python names may differ. Values are printed as they come; the last
lines are medians with the least and the greatest value, and now/before, computed per round.
"""

import contextlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
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
_UPDATE_REPEATS = 5
"""Measurements of a worker in one round, of which the median counts."""

_TRAIN = """
import pathlib, sys
from benchmarks import sizes, train_run
size, root_dir, log = sys.argv[1:]
run = train_run.train(sizes.SIZES[size], pathlib.Path(root_dir), pathlib.Path(log))
print(run.steps_per_second)
"""


class Measurement(NamedTuple):
    """A rate to compare.

    Attributes:
      name: in the output.
      measure: f({name: folder of a tree}, log) returns {name: rate of the code in that tree}, one
        round.
    """

    name: str
    measure: Callable[[Trees, Path], dict[str, float]]


def updates_per_second(trees: Trees, log: Path, size: Size, updates: int) -> dict[str, float]:
    """Returns updates per second with the replay filled in advance.

    The workers of both trees are started anew, and then asked alternately, a second or so each: on
    a busy machine that is fairer than one after the other.
    """
    with contextlib.ExitStack() as stack:
        workers = {
            name: stack.enter_context(
                contextlib.closing(
                    Worker(sys.executable, "benchmarks.ours", [size.name], log, tree)
                )
            )
            for name, tree in trees.items()
        }
        rates: dict[str, list[float]] = {name: [] for name in workers}
        for worker in workers.values():
            worker.ask("update", updates)  # compiles
        for _ in range(_UPDATE_REPEATS):
            for name, worker in workers.items():
                rates[name].append(worker.ask("update", updates))
    return {name: statistics.median(measured) for name, measured in rates.items()}


def steps_per_second(trees: Trees, log: Path, size: Size) -> dict[str, float]:
    """Returns environment steps per second of the training loop."""
    return {name: _train(tree, log, size) for name, tree in trees.items()}


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


_PARTS = {
    "update": Measurement(
        "half_cheetah_update", lambda trees, log: updates_per_second(trees, log, HALF_CHEETAH, 400)
    ),
    "loop": Measurement(
        "half_cheetah_loop", lambda trees, log: steps_per_second(trees, log, HALF_CHEETAH)
    ),
    "redq": Measurement(
        "redq_update", lambda trees, log: updates_per_second(trees, log, REDQ, 100)
    ),
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
                samples += _measure(_PARTS[part], trees, Path(folder) / "log.txt")
            except BenchmarkError as error:
                raise RunError(" ".join(str(error).split())) from error
    print("\n".join(["", *lines(samples)]))


def _measure(part: Measurement, trees: Trees, log: Path) -> list[Sample]:
    samples = []
    for number in range(_ROUNDS.value):
        for name, rate in part.measure(trees, log).items():
            samples.append(Sample(name, part.name, number, rate, versions=""))
            print(f"{part.name} {name} [{number + 1}] {rate:.4g}", flush=True)
    return samples


def lines(samples: list[Sample]) -> Iterator[str]:
    """Yields the median and spread of each rate of both trees, and of now/before."""
    yield from results.table(samples)
    for name in dict.fromkeys(sample.what for sample in samples):
        found = results.ratio(samples, name, BEFORE, own=NOW)
        assert found is not None
        yield f"{name:36} {f'{NOW}/{BEFORE}':12} {found}"


if __name__ == "__main__":
    launch.run(main)
