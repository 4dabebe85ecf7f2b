"""Logs of a run: CSV files, TensorBoard, and the progress bar."""

import csv
import io
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

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


class CsvLog:
    """A CSV file with fixed columns that is complete after each row and continued on resume."""

    def __init__(self, path: Path, columns: Sequence[str], step: float):
        """Opens `path`; rows beyond `step`, which a restart will write again, are dropped."""
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
        """Appends a row; columns that are not given stay empty."""
        self._writer.writerow(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
        )

    def close(self) -> None:
        self._file.close()


def say(text: str) -> None:
    """Prints a line, above the bar if there is one."""
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


def progress_bar(total: int | None, name: str, initial: int = 0) -> tqdm:
    """Returns a bar on a terminal; elsewhere, in the log of a service for example, a line every ten
    seconds."""
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
    """A stream for bars where the cursor cannot go back: each state of the bar becomes a line."""

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
    """Returns the mean return that evaluations.csv of a run has for `step`; None if it has none, or
    no finite one."""
    path = root_dir / folder.EVALUATIONS
    if not path.exists():
        return None
    with path.open(newline="") as file:
        found = [
            float(row["return_mean"]) for row in csv.DictReader(file) if int(row["step"]) == step
        ]
    return found[-1] if found and math.isfinite(found[-1]) else None


class EvaluationLog:
    """Writes evaluations.csv of a run, and the same to TensorBoard."""

    def __init__(self, root_dir: Path, step: float):
        """Opens the files; rows beyond `step`, which a restart will write again, are dropped."""
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


@gin.configurable
class RunLog:
    """Writes metrics.csv, evaluations.csv and tensorboard/ of a run, and shows its progress bar."""

    def __init__(
        self,
        root_dir: Path,
        total_steps: int,
        metric_names: Sequence[str],
        progress: Progress,
        with_evaluations: bool,
        period: int = 1000,
    ):
        """Opens the files of a run that is at `progress`.

        Args:
          root_dir: folder of the run.
          total_steps: where the bar ends.
          metric_names: of the learner's metrics.
          progress: of the run; rows beyond it are dropped.
          with_evaluations: False where another process evaluates and writes evaluations.csv.
          period: environment steps between two rows of metrics.
        """
        self.period = require_count("RunLog.period", period)
        own = ("step", "wall_time", "episode_return", "episode_length")
        rates = ("replay_size", "steps_per_second", "updates_per_second")
        step = progress.step
        self._metrics = CsvLog(root_dir / folder.METRICS, (*own, *metric_names, *rates), step)
        self._evaluations = EvaluationLog(root_dir, step) if with_evaluations else None
        self._tensorboard = tf.summary.create_file_writer(str(root_dir / folder.TENSORBOARD))
        self._bar = progress_bar(total_steps, "train", step)
        self._started = time.monotonic() - progress.elapsed
        self._episodes: list[Episode] = []
        self._last = (self.elapsed, step, 0)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began, restarts not counted."""
        return time.monotonic() - self._started

    def resume(self, updates: int, checkpoint: Path) -> None:
        """Reports the checkpoint, with `updates` done before it; speeds are measured from here."""
        _, step, _ = self._last
        self._last = (self.elapsed, step, updates)
        say(f"Resuming from step {step:,} ({checkpoint}).")

    def advance(self, steps: int, episodes: list[Episode]) -> None:
        """Moves the bar by `steps` and notes finished episodes."""
        self._bar.update(steps)
        if episodes:
            self._episodes += episodes
            self._bar.set_postfix_str(f"return {episodes[-1].total_reward:.1f}", refresh=False)

    def metrics(self, step: int, metrics: dict[str, float], replay_size: int, updates: int) -> None:
        """Writes a row: the learner's newest metrics, the episodes since the last row, and speeds
        since then."""
        elapsed = self.elapsed
        last_elapsed, last_step, last_updates = self._last
        seconds = max(elapsed - last_elapsed, 1e-9)
        row = dict(metrics)
        row["steps_per_second"] = (step - last_step) / seconds
        row["updates_per_second"] = (updates - last_updates) / seconds
        row["replay_size"] = replay_size
        if self._episodes:
            row["episode_return"] = float(
                np.mean([episode.total_reward for episode in self._episodes])
            )
            row["episode_length"] = float(np.mean([episode.length for episode in self._episodes]))
        self._last = (elapsed, step, updates)
        self._episodes = []
        self._metrics.write(step=step, wall_time=elapsed, **row)
        summarize(self._tensorboard, step, "train", row)

    def evaluation(self, step: int, result: Evaluation) -> None:
        """Writes a row of evaluations.csv and prints it above the bar."""
        assert self._evaluations is not None
        self._evaluations.write(step, self.elapsed, result)
        say(f"step {step:,}: evaluation return {result}")

    def close(self) -> None:
        for part in (self._metrics, self._evaluations, self._tensorboard, self._bar):
            if part is not None:
                part.close()
