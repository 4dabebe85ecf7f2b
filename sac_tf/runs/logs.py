"""Logs of a run: CSV files, TensorBoard, and what the terminal shows."""

import csv
import io
import math
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import gin
import numpy as np

from sac_tf import files
from sac_tf.errors import require_count
from sac_tf.runs import folder
from sac_tf.runs.checkpoints import Progress
from sac_tf.runs.episodes import EpisodeInfo
from sac_tf.runs.tensorboard import EventLog
from sac_tf.runs.terminal import duration, progress_bar, say
from sac_tf.types import Episode, Evaluation

_EVALUATION_COLUMNS = (
    "step",
    "wall_time",
    "return_mean",
    "return_std",
    "episodes",
    "success_rate",
    "success_once",
)
_SUCCESS_COLUMNS = ("episode_success", "episode_success_once")
_FIRST_COLUMNS = (
    "step",
    "wall_time",
    "episode_return",
    "episode_length",
    "episode_interventions",
    *_SUCCESS_COLUMNS,
)
_LAST_COLUMNS = ("replay_size", "steps_per_second", "updates_per_second")
"""Columns of metrics.csv before and after the learner's metrics."""
_RECENT_EPISODES = 20
"""Episodes whose success rate the progress bar shows."""
_SAY_DURATION_S = 60.0
"""A shorter run is not worth an estimate."""


class CsvLog:
    """A CSV file with fixed columns, flushed after each row and continued on resume."""

    def __init__(self, path: Path, columns: Sequence[str], step: float):
        """Opens `path` and drops rows after `step`, which a resumed run writes again."""
        kept: list[dict[str, str]] = []
        if path.exists():
            kept = [row for row in files.csv_rows(path) if int(row["step"]) <= step]
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


def evaluated_returns(root_dir: Path) -> dict[int, float]:
    """Returns {step: mean return} of the evaluations of a run, in evaluations.csv."""
    path = root_dir / folder.EVALUATIONS
    if not path.exists():
        return {}
    return {int(row["step"]): float(row["return_mean"]) for row in files.csv_rows(path)}


def _intervention_rate(episodes: Collection[Episode]) -> float:
    """Returns the share of the steps of some episodes in which somebody took over."""
    steps = sum(episode.length for episode in episodes)
    return sum(episode.interventions for episode in episodes) / steps


def evaluated_return(root_dir: Path, step: int) -> float | None:
    """Returns the mean return of a run's evaluation at `step`; None if evaluations.csv has none, or
    none that is finite."""
    found = evaluated_returns(root_dir).get(step, math.nan)
    return found if math.isfinite(found) else None


class EvaluationLog:
    """Writes evaluations to evaluations.csv of a run and to TensorBoard."""

    def __init__(self, root_dir: Path, step: float, info: EpisodeInfo):
        """Opens the files and drops rows after `step`, which a resumed run writes again.

        Args:
          root_dir: of the run.
          step: of its checkpoint.
          info: what is read from the episodes.
        """
        columns = (*_EVALUATION_COLUMNS, *info.columns)
        self._csv = CsvLog(root_dir / folder.EVALUATIONS, columns, step)
        self._tensorboard = EventLog(root_dir, "evaluation", step)

    def write(self, step: int, wall_time: float, result: Evaluation) -> None:
        """Appends a row."""
        scalars = {"return_mean": result.return_mean, "return_std": result.return_std}
        if result.success_rate is not None:
            scalars["success_rate"] = result.success_rate
        if result.success_once is not None:
            scalars["success_once"] = result.success_once
        scalars |= result.info
        self._csv.write(step=step, wall_time=wall_time, episodes=result.episodes, **scalars)
        self._tensorboard.scalars(step, scalars, group="evaluation")

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

    _refreshed = -math.inf
    _rows_with_updates = 0

    def __init__(
        self,
        root_dir: Path,
        total_steps: int,
        metric_names: Sequence[str],
        progress: Progress,
        with_evaluations: bool,
        unit: str,
        period: int = 1000,
        info: Callable[[], EpisodeInfo] = EpisodeInfo,
    ):
        """Opens the log files of a run.

        Args:
          root_dir: folder of the run.
          total_steps: at the end of the progress bar.
          metric_names: of the learner's metrics.
          progress: of the run; rows after its step are dropped.
          with_evaluations: False if another process evaluates and writes evaluations.csv.
          unit: what the steps of the run are: "step" of the environments, or "update".
          period: environment steps between two rows of metrics; updates in an offline run.
          info: what is read from the episodes.

        Raises:
          ConfigurationError: a number out of range.
        """
        self.period = require_count("RunLog.period", period)
        self._info = info()
        step = progress.step
        columns = (*_FIRST_COLUMNS, *self._info.columns, *metric_names, *_LAST_COLUMNS)
        self._metrics = CsvLog(root_dir / folder.METRICS, columns, step)
        self._evaluations = EvaluationLog(root_dir, step, self._info) if with_evaluations else None
        self._tensorboard = EventLog(root_dir, "train", step)
        self._total_steps = total_steps
        self._unit = unit
        self._bar = progress_bar(total_steps, "train", step, unit)
        self._started = time.monotonic() - progress.elapsed
        self._episodes: list[Episode] = []
        self._recent: deque[Episode] = deque(maxlen=_RECENT_EPISODES)
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
        say(f"Resuming from {self._unit} {step:,} ({checkpoint}).")

    def advance(self, steps: int, episodes: list[Episode]) -> None:
        """Moves the progress bar by `steps` and records finished episodes."""
        self._bar.update(steps)
        if episodes:
            self._episodes += episodes
            self._recent += episodes
            self._show_episodes()

    def _show_episodes(self) -> None:
        """Shows the newest return, and the success rate of the newest episodes."""
        text = f"return {self._recent[-1].total_reward:.1f}" if self._recent else ""
        rate = self._info.success_rate(self._recent)
        if rate is not None:
            text += f", success {rate:.2f}"
        once = self._info.success_once_rate(self._recent)
        if once is not None:
            text += f" (once {once:.2f})"
        if any(episode.interventions for episode in self._recent):
            text += f", interventions {_intervention_rate(self._recent):.2f}"
        self._bar.set_postfix_str(text, refresh=False)

    def evaluating(self, done: int, episodes: int) -> None:
        """Shows in the progress bar how many episodes of an evaluation have ended."""
        if self._bar.disable:  # by TQDM_DISABLE, in a sweep
            return
        self._bar.set_postfix_str(f"evaluating {done} of {episodes}", refresh=False)
        if time.monotonic() - self._refreshed >= self._bar.mininterval:
            self._bar.refresh()
            self._refreshed = time.monotonic()

    def settings(self, settings: Mapping[str, str]) -> None:
        """Writes the settings of the run to TensorBoard."""
        self._tensorboard.settings(settings)

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
            if any(episode.interventions for episode in self._episodes):
                row["episode_interventions"] = _intervention_rate(self._episodes)
            last = self._info.success_rate(self._episodes)
            once = self._info.success_once_rate(self._episodes)
            for name, success in zip(_SUCCESS_COLUMNS, (last, once), strict=True):
                if success is not None:
                    row[name] = success
            row |= self._info.means(self._episodes)
        self._say_duration(now)
        self._last = now
        self._episodes = []
        self._metrics.write(step=step, wall_time=now.elapsed, **row)
        self._tensorboard.scalars(step, row)

    def _say_duration(self, now: _Count) -> None:
        """Prints once how long the rest of the run will take: after the second row with updates,
        because the first one includes their compilation."""
        self._rows_with_updates += now.updates > self._last.updates
        if self._rows_with_updates != 2 or now.updates == self._last.updates:
            return
        speed = (now.step - self._last.step) / (now.elapsed - self._last.elapsed)
        seconds = (self._total_steps - now.step) / speed
        if seconds > _SAY_DURATION_S:
            say(f"About {duration(seconds)} left, at {speed:.0f} {self._unit}s per second.")

    def evaluation(self, step: int, result: Evaluation) -> None:
        """Writes a row of evaluations.csv and prints it."""
        assert self._evaluations is not None
        self._show_episodes()
        self._evaluations.write(step, self.elapsed, result)
        say(f"{self._unit} {step:,}: evaluation return {result}")

    def close(self) -> None:
        for part in (self._metrics, self._evaluations, self._tensorboard, self._bar):
            if part is not None:
                part.close()
