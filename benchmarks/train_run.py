"""A training run as a user starts it: `python -m binaries.train` in its own process, timed by its
logs."""

import csv
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks import channel
from benchmarks.channel import BenchmarkError, last_lines
from benchmarks.sizes import RANDOM_STEPS, UPDATES_PER_CALL, Size, gin_bindings

_POLL_S = 0.02
_LEARNED = "critic_loss"
"""A column of metrics.csv, which is empty until the first update."""


class TrainRun(NamedTuple):
    """Measurements of one run.

    Attributes:
      steps_per_second: environment steps per second from the first logged update to the end of
        training: collecting, learning and logging, without evaluations and checkpoints.
      first_update_seconds: from the start of the command until metrics of an update are in
        metrics.csv.
      peak_memory_mb: peak resident memory in 10^6 bytes, evaluation and final checkpoint included.
    """

    steps_per_second: float
    first_update_seconds: float
    peak_memory_mb: float


def schedule(size: Size, quick: bool) -> tuple[int, int]:
    """Returns (steps between two rows of metrics.csv, total steps).

    The period is near the default of 1,000 steps, chosen so that one row falls on the step of the
    first update: 5,016 is four times 1,254. With 20 updates per step a step takes long, so a row
    every 20 steps costs nothing.
    """
    if size.updates_per_step > 1:
        return 20, RANDOM_STEPS + (40 if quick else 60)
    period = (RANDOM_STEPS + UPDATES_PER_CALL) // 4
    return period, 5 * period


def train(size: Size, root_dir: Path, log: Path, quick: bool = False) -> TrainRun:
    """Runs `train` in the new folder `root_dir`.

    Raises:
      BenchmarkError: it failed, or logged too little.
    """
    period, total = schedule(size, quick)
    bindings = [
        *gin_bindings(size),
        f"set_runtime.inter_op = {channel.cores()}",
        f"train.random_steps = {RANDOM_STEPS}",
        f"train.total_steps = {total}",
        f"train.evaluation_period = {total}",
        f"train.checkpoint_period = {total}",
        f"RunLog.period = {period}",
        "Evaluator.episodes = 1",
    ]
    command = [sys.executable, "-m", "binaries.train", f"--root_dir={root_dir}"]
    command += [f"--gin_bindings={binding}" for binding in bindings]
    start = time.perf_counter()
    with log.open("a") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    first_update, peak = _watch(process, root_dir / "metrics.csv", start)
    if process.returncode != 0:
        raise BenchmarkError(
            f"binaries.train ended with code {process.returncode}:\n{last_lines(log)}"
        )
    rate = steps_per_second(read_metrics(root_dir / "metrics.csv"))
    return TrainRun(rate, first_update, peak)


def read_metrics(path: Path) -> list[dict[str, str]]:
    """Returns the rows of metrics.csv from the first update on; none if there is no file yet."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row.get(_LEARNED)]


def steps_per_second(rows: list[dict[str, str]]) -> float:
    """Returns environment steps per second between the first and the last row; raises
    BenchmarkError if there are fewer than two."""
    if len(rows) < 2:
        raise BenchmarkError(f"metrics.csv has {len(rows)} rows with an update; two are needed.")
    first = rows[0]
    last = rows[-1]
    steps = int(last["step"]) - int(first["step"])
    return steps / (float(last["wall_time"]) - float(first["wall_time"]))


def _watch(process: subprocess.Popen, metrics: Path, start: float) -> tuple[float, float]:
    """Waits for the end of the process; returns the seconds from `start` to the first update, and
    the peak memory."""
    first_update: float | None = None
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if first_update is None and read_metrics(metrics):
            first_update = time.perf_counter() - start
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return first_update or math.nan, usage.ru_maxrss * 1024 / 1e6
        time.sleep(_POLL_S)
