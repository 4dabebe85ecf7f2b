r"""Time to a return of 5,000 on HalfCheetah-v5: `fast.gin` and SAC of SBX, in turn on all cores.

make .venv-peers/.installed && python -m benchmarks.time_to_return

Nothing else may run on the machine. Each run trains from scratch with all cores, and has an
evaluation of 10 episodes every 5,000 steps; it is stopped at the first one with that return. Times
include the evaluations. The evaluations of a run are added to time_to_return.csv when it has ended;
after Ctrl-C the same command starts the present run anew.
"""

import math
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from absl import flags

from benchmarks import book_runs, channel, provenance, returns, tables
from benchmarks.channel import last_lines
from benchmarks.entries import ALGORITHMS, SBX, TASKS, Entry
from binaries import launch
from sac_tf import files
from sac_tf.errors import ConfigurationError, RunError

_TASK = "HalfCheetah-v5"
_FILES = (f"gin_configs/tasks/{TASKS[_TASK]}.gin", *ALGORITHMS["fast.gin"])
CONTENDERS = (Entry("fast.gin", _TASK, 200_000, _FILES), Entry("SAC", _TASK, 400_000, library=SBX))
"""The first is compared with the second. `steps` are the most that a run may take."""
_POLL_S = 1.0

_RETURN = flags.DEFINE_float("return", tables.GOAL, "A run has reached it at its first evaluation.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of each contender.", lower_bound=1)
_ROOT_DIR = launch.DEFINE_path("root_dir", "runs/time_to_return", "Folder of the runs.")
_OUTPUT_DIR = launch.DEFINE_path("output_dir", "benchmarks/results", "Of time_to_return.csv.")
_PEERS_PYTHON = launch.DEFINE_path(
    "peers_python", ".venv-peers/bin/python", "Python with the other libraries installed."
)


def main(arguments: list[str]) -> None:
    launch.refuse_arguments(arguments)
    if not _PEERS_PYTHON.value.exists():
        raise ConfigurationError(
            f"--peers_python={_PEERS_PYTHON.value} does not exist; `make .venv-peers/.installed` "
            "creates it from benchmarks/requirements-peers.txt."
        )
    files.make_folder(_OUTPUT_DIR.value, f"--output_dir={_OUTPUT_DIR.value}")
    path = _OUTPUT_DIR.value / "time_to_return.csv"
    print(f"On {provenance.machine()}.")
    for seed in range(_SEEDS.value):
        for entry in CONTENDERS:
            if _seconds(path, entry, seed) is None:
                returns.add(path, _train(entry, seed))
    _print_times(path)


def _seconds(path: Path, entry: Entry, seed: int) -> float | None:
    """Returns the time of a run until its first evaluation with the return; None without one."""
    reached = returns.reaching(returns.read(path), _RETURN.value)
    row = reached.get(returns.key_of(entry, seed))
    return None if row is None else row.wall_time


def _train(entry: Entry, seed: int) -> list[returns.Row]:
    """Trains a run from scratch until an evaluation has the return, and returns its evaluations.

    Raises:
      RunError: it ended without one.
    """
    run = entry.run(_ROOT_DIR.value, seed)
    threads = f"set_runtime.inter_op = {channel.cores()}"  # a run of the book has one core
    run = run._replace(gin_bindings=(*run.gin_bindings, threads))
    shutil.rmtree(run.root_dir, ignore_errors=True)
    run.root_dir.mkdir(parents=True)
    command = book_runs.command(entry, seed, run, str(_PEERS_PYTHON.value))
    log = run.root_dir / "output.txt"
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    rows: list[returns.Row] = []
    try:
        while not returns.reaching(rows, _RETURN.value):
            code = process.poll()
            seen = len(rows)
            rows = book_runs.rows(entry, seed, run)
            for row in rows[seen:]:
                print(
                    f"{row.label}, seed {seed}: {row.return_mean:.0f} after {row.step:,} steps, "
                    f"{row.wall_time:.0f} s"
                )
            if code is not None and len(rows) == seen:
                raise RunError(
                    f"{entry.label}, seed {seed}, ended with code {code} and without a return of "
                    f"{_RETURN.value:g}: {last_lines(log)}"
                )
            time.sleep(_POLL_S)
    finally:
        process.kill()
        process.wait()
    return rows


def _print_times(path: Path) -> None:
    """Prints the seconds of each run, and the ratio of the means of both contenders."""
    times = [
        [_seconds(path, entry, seed) or math.nan for seed in range(_SEEDS.value)]
        for entry in CONTENDERS
    ]
    for entry, seconds in zip(CONTENDERS, times, strict=True):
        each = ", ".join(f"{value:.0f}" for value in seconds)
        print(f"{entry.label}: {statistics.mean(seconds):.0f} s ({each})")
    ratio = statistics.mean(times[0]) / statistics.mean(times[1])
    print(f"{CONTENDERS[0].label} takes {ratio:.2f} of the time of {CONTENDERS[1].label}.")


if __name__ == "__main__":
    launch.run(main)
