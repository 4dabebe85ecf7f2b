"""Logs of a run: CSV files, TensorBoard, and the progress bar."""

import csv
import io
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

import gin
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from sac_tf import files
from sac_tf.errors import require_count
from sac_tf.runs import folder
from sac_tf.runs.checkpoints import Progress
from sac_tf.types import Episode, Evaluation

EVALUATION_COLUMNS = ("step", "wall_time", "return_mean", "return_std", "episodes")
_FIRST_COLUMNS = ("step", "wall_time", "episode_return", "episode_length")
_LAST_COLUMNS = ("replay_size", "steps_per_second", "updates_per_second")
"""Columns of metrics.csv before and after the learner's metrics."""


class CsvLog:
    """A CSV file with fixed columns, flushed after each row and continued on resume."""

    def __init__(self, path: Path, columns: Sequence[str], step: float):
        """Opens `path` and drops rows after `step`, which a resumed run writes again."""
        kept: list[dict[str, str]] = []
        if path.exists():
            with path.open(newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
        rewritten = io.StringIO(newline="")
        writer = csv.DictWriter(rewritten, columns)
        writer.writeheader()
        writer.writerows(kept)
        files.write_at_once(path, rewritten.getvalue())
        self._file = path.open("a", newline="", buffering=1)
        self._writer = csv.DictWriter(self._file, columns)

    def write(self, **row: float) -> None:
        """Appends a row; columns without a value stay empty."""
        self._writer.writerow({name: _formatted(value) for name, value in row.items()})

    def close(self) -> None:
        self._file.close()


def _formatted(value: float) -> float | str:
    return f"{value:.6g}" if isinstance(value, float) else value


def say(text: str) -> None:
    """Prints a line, above the progress bar if there is one."""
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


def progress_bar(total: int | None, name: str, initial: int = 0) -> tqdm:
    """Returns a progress bar; where stderr is not a terminal, it prints a line every ten seconds.

    Args:
      total: steps at the end; None if unknown.
      name: shown before the bar.
      initial: steps done before.
    """
    is_terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=initial,
        unit="step",
        desc=name,
        dynamic_ncols=is_terminal,
        mininterval=0.5 if is_terminal else 10.0,
        file=sys.stderr if is_terminal else _Lines(sys.stderr),
    )


class _Lines(io.TextIOBase):
    """A stream without cursor movement: each state of a progress bar becomes a line."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        line = text.strip("\r\n")
        return self._stream.write(line + "\n") if line.strip() else 0

    def flush(self) -> None:
        self._stream.flush()


def summarize(
    writer: tf.summary.SummaryWriter, step: int, group: str, values: dict[str, float]
) -> None:
    """Writes scalars `group/name` to TensorBoard and flushes."""
    with writer.as_default(step=step):
        for name, value in values.items():
            tf.summary.scalar(f"{group}/{name}", value)
    writer.flush()


def evaluated_return(root_dir: Path, step: int) -> float | None:
    """Returns the mean return of a run's evaluation at `step`; None if evaluations.csv has none, or
    none that is finite."""
    path = root_dir / folder.EVALUATIONS
    if not path.exists():
        return None
    with path.open(newline="") as file:
        found = [
            float(row["return_mean"]) for row in csv.DictReader(file) if int(row["step"]) == step
        ]
    return found[-1] if found and math.isfinite(found[-1]) else None


class EvaluationLog:
    """Writes evaluations to evaluations.csv of a run and to TensorBoard."""

    def __init__(self, root_dir: Path, step: float):
        """Opens the files and drops rows after `step`, which a resumed run writes again."""
        self._csv = CsvLog(root_dir / folder.EVALUATIONS, EVALUATION_COLUMNS, step)
        self._tensorboard = tf.summary.create_file_writer(str(root_dir / folder.TENSORBOARD))

    def write(self, step: int, wall_time: float, result: Evaluation) -> None:
        """Appends a row."""
        self._csv.write(step=step, wall_time=wall_time, **result._asdict())
        scalars = {"return_mean": result.return_mean, "return_std": result.return_std}
        summarize(self._tensorboard, step, "evaluation", scalars)

    def close(self) -> None:
        self._csv.close()
        self._tensorboard.close()


class _Count(NamedTuple):
    """Seconds, environment steps and critic updates of a run so far."""

    elapsed: float
    step: int
    updates: int


@gin.configurable
class RunLog:
    """Writes metrics.csv, evaluations.csv and tensorboard/ of a run, and its progress bar."""

    def __init__(
        self,
        root_dir: Path,
        total_steps: int,
        metric_names: Sequence[str],
        progress: Progress,
        with_evaluations: bool,
        period: int = 1000,
    ):
        """Opens the log files of a run.

        Args:
          root_dir: folder of the run.
          total_steps: at the end of the progress bar.
          metric_names: of the learner's metrics.
          progress: of the run; rows after its step are dropped.
          with_evaluations: False if another process evaluates and writes evaluations.csv.
          period: environment steps between two rows of metrics.

        Raises:
          ConfigurationError: a number out of range.
        """
        self.period = require_count("RunLog.period", period)
        step = progress.step
        columns = (*_FIRST_COLUMNS, *metric_names, *_LAST_COLUMNS)
        self._metrics = CsvLog(root_dir / folder.METRICS, columns, step)
        self._evaluations = EvaluationLog(root_dir, step) if with_evaluations else None
        self._tensorboard = tf.summary.create_file_writer(str(root_dir / folder.TENSORBOARD))
        self._bar = progress_bar(total_steps, "train", step)
        self._started = time.monotonic() - progress.elapsed
        self._episodes: list[Episode] = []
        self._last = _Count(self.elapsed, step, 0)

    @property
    def elapsed(self) -> float:
        """Seconds spent on the run, over all restarts."""
        return time.monotonic() - self._started

    def resume(self, updates: int, checkpoint: Path) -> None:
        """Reports that the run resumes, and measures speeds from here.

        Args:
          updates: done before the checkpoint.
          checkpoint: its folder.
        """
        step = self._last.step
        self._last = _Count(self.elapsed, step, updates)
        say(f"Resuming from step {step:,} ({checkpoint}).")

    def advance(self, steps: int, episodes: list[Episode]) -> None:
        """Moves the progress bar by `steps` and records finished episodes."""
        self._bar.update(steps)
        if episodes:
            self._episodes += episodes
            self._bar.set_postfix_str(f"return {episodes[-1].total_reward:.1f}", refresh=False)

    def metrics(self, step: int, metrics: dict[str, float], replay_size: int, updates: int) -> None:
        """Writes a row of metrics, with means over the episodes and speeds since the last row.

        Args:
          step: environment step.
          metrics: the newest ones of the learner.
          replay_size: rows in the replay.
          updates: critic updates done.
        """
        now = _Count(self.elapsed, step, updates)
        seconds = max(now.elapsed - self._last.elapsed, 1e-9)
        row = dict(metrics)
        row["steps_per_second"] = (now.step - self._last.step) / seconds
        row["updates_per_second"] = (now.updates - self._last.updates) / seconds
        row["replay_size"] = replay_size
        if self._episodes:
            returns = [episode.total_reward for episode in self._episodes]
            lengths = [episode.length for episode in self._episodes]
            row["episode_return"] = float(np.mean(returns))
            row["episode_length"] = float(np.mean(lengths))
        self._last = now
        self._episodes = []
        self._metrics.write(step=step, wall_time=now.elapsed, **row)
        summarize(self._tensorboard, step, "train", row)

    def evaluation(self, step: int, result: Evaluation) -> None:
        """Writes a row of evaluations.csv and prints it."""
        assert self._evaluations is not None
        self._evaluations.write(step, self.elapsed, result)
        say(f"step {step:,}: evaluation return {result}")

    def close(self) -> None:
        for part in (self._metrics, self._evaluations, self._tensorboard, self._bar):
            if part is not None:
                part.close()
