"""Numbers of a run, to CSV and TensorBoard, and the line that moves on the terminal."""

import csv
import io
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import gin
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from sac_tf import files
from sac_tf.errors import require_count
from sac_tf.training.checkpoints import Progress
from sac_tf.training.collecting import Episode
from sac_tf.training.evaluation import Evaluation

EVALUATIONS_FILE = "evaluations.csv"
EVALUATION_COLUMNS = ("step", "wall_time", "return_mean", "return_std", "episodes")


class CsvLog:
    """A CSV file with fixed columns that is complete after each row, and goes on after a restart."""

    def __init__(self, path: Path, columns: Sequence[str], step: int):
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
        self._writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})

    def close(self) -> None:
        self._file.close()


def evaluated_return(root_dir: Path, step: int) -> float | None:
    """Returns the mean return that evaluations.csv of a run has for `step`; None if it has none, or no finite one."""
    path = root_dir / EVALUATIONS_FILE
    if not path.exists():
        return None
    with path.open(newline="") as file:
        found = [float(row["return_mean"]) for row in csv.DictReader(file) if int(row["step"]) == step]
    return found[-1] if found and math.isfinite(found[-1]) else None


@gin.register
class RunLog:
    """Writes metrics.csv, evaluations.csv and tensorboard/ of a run, and shows its progress bar."""

    def __init__(
        self, root_dir: Path, total_steps: int, metric_names: Sequence[str], progress: Progress, period: int = 1000
    ):
        """Opens the files of a run that is at `progress`.

        Args:
          root_dir: folder of the run.
          total_steps: where the bar ends.
          metric_names: of the learner's metrics.
          progress: where the run is; rows beyond that are dropped.
          period: environment steps between two rows of metrics.
        """
        self.period = require_count("RunLog.period", period)
        own = ("step", "wall_time", "episode_return", "episode_length")
        rates = ("replay_size", "steps_per_second", "updates_per_second")
        step = progress.step
        self._metrics = CsvLog(root_dir / "metrics.csv", (*own, *metric_names, *rates), step)
        self._evaluations = CsvLog(root_dir / EVALUATIONS_FILE, EVALUATION_COLUMNS, step)
        self._tensorboard = tf.summary.create_file_writer(str(root_dir / "tensorboard"))
        self._bar = tqdm(
            total=total_steps, initial=step, unit="step", desc="train", dynamic_ncols=True, mininterval=0.5
        )
        self._started = time.monotonic() - progress.elapsed
        self._episodes: list[Episode] = []
        self._last = (self.elapsed, step, 0)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began, restarts not counted."""
        return time.monotonic() - self._started

    def go_on(self, updates: int, checkpoint: Path) -> None:
        """Says that the run goes on from `checkpoint`, with `updates` done before: the next speeds count from here."""
        _, step, _ = self._last
        self._last = (self.elapsed, step, updates)
        self.say(f"Going on from step {step:,} ({checkpoint}).")

    def advance(self, steps: int, episodes: list[Episode]) -> None:
        """Moves the bar by `steps` and notes finished episodes."""
        self._bar.update(steps)
        if episodes:
            self._episodes += episodes
            self._bar.set_postfix_str(f"return {episodes[-1].total_reward:.1f}", refresh=False)

    def metrics(self, step: int, metrics: dict[str, float], replay_size: int, updates: int) -> None:
        """Writes a row: the learner's newest metrics, the episodes since the last row, and speeds since then."""
        elapsed, (last_elapsed, last_step, last_updates) = self.elapsed, self._last
        seconds = max(elapsed - last_elapsed, 1e-9)
        row = dict(metrics)
        row["steps_per_second"] = (step - last_step) / seconds
        row["updates_per_second"] = (updates - last_updates) / seconds
        row["replay_size"] = replay_size
        if self._episodes:
            row["episode_return"] = float(np.mean([episode.total_reward for episode in self._episodes]))
            row["episode_length"] = float(np.mean([episode.length for episode in self._episodes]))
        self._last, self._episodes = (elapsed, step, updates), []
        self._metrics.write(step=step, wall_time=elapsed, **row)
        self._summarize(step, "train", row)

    def evaluation(self, step: int, result: Evaluation) -> None:
        """Writes a row of evaluations.csv and says it above the bar."""
        self._evaluations.write(step=step, wall_time=self.elapsed, **result._asdict())
        self._summarize(step, "evaluation", {"return_mean": result.return_mean, "return_std": result.return_std})
        self.say(f"step {step:,}: evaluation return {result}")

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        self._bar.write(text, file=sys.stdout)
        sys.stdout.flush()

    def close(self) -> None:
        for part in (self._metrics, self._evaluations, self._tensorboard, self._bar):
            part.close()

    def _summarize(self, step: int, group: str, values: dict[str, float]) -> None:
        with self._tensorboard.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(f"{group}/{name}", value)
        self._tensorboard.flush()
