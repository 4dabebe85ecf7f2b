"""Learning curves: plots of the evaluation returns of runs over environment steps, or over the
updates of offline runs."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from sac_tf import files
from sac_tf.errors import ConfigurationError
from sac_tf.runs import folder
from sac_tf.runs.configuration import read_settings

Band: TypeAlias = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Returns [runs, n] -> the lower and the upper edge of the shaded band, [n] each."""

_NOT_DRAWN = ("step", "wall_time")
_SEED = "train.seed"
_TASK = "train.environment"
_DATASET = "train_offline.dataset"


RETURN = "return_mean"
"""The column of evaluations.csv that is drawn by default."""
_AXES = {
    RETURN: "evaluation return (mean action)",
    "success_rate": "success at the last step (mean action)",
    "success_once": "success at any step (mean action)",
}


def has_evaluations(root_dir: Path) -> bool:
    """Returns whether a run was evaluated at least once."""
    path = root_dir / folder.EVALUATIONS
    return path.exists() and len(path.read_text().splitlines()) > 1


def read_curve(root_dir: Path, column: str = RETURN) -> tuple[np.ndarray, np.ndarray]:
    """Returns steps [n] and the values of a column [n] from the evaluations of a run.

    Raises:
      ConfigurationError: there is no run, no evaluation, or no such value in each of them.
    """
    path = root_dir / folder.EVALUATIONS
    if not path.exists():
        raise ConfigurationError(
            f"{root_dir} holds no {folder.EVALUATIONS}, so it is not the --root_dir of a run."
        )
    rows = files.csv_rows(path)
    if not rows:
        raise ConfigurationError(f"{path} has no evaluation yet; wait for the first one.")
    found = [(int(row["step"]), float(row[column])) for row in rows if row.get(column)]
    if not found:
        filled = [name for name, value in rows[-1].items() if value and name not in _NOT_DRAWN]
        raise ConfigurationError(
            f"{path} has no values of {column!r}; it has those of {', '.join(filled)}."
        )
    steps, values = zip(*found, strict=True)
    return np.array(steps), np.array(values)


def group_by_configuration(root_dirs: list[Path]) -> dict[str, list[Path]]:
    """Returns {label: runs}: runs that differ only by seed share a label, which is the task and,
    where several configurations have the same task, the path of the first run, without what all
    paths share."""
    groups: dict[tuple, list[Path]] = {}
    for root_dir in root_dirs:
        settings = _settings_of(root_dir)
        task = settings[_TASK].strip("'")
        settings.pop(_SEED, None)
        configuration = tuple(sorted(settings.items()))
        groups.setdefault((task, configuration), []).append(root_dir)
    tasks = [task for task, _ in groups]
    shared = os.path.commonpath([runs[0] for runs in groups.values()])
    labeled = {}
    for (task, _), runs in groups.items():
        label = task if tasks.count(task) == 1 else f"{task} {runs[0].relative_to(shared)}"
        labeled[label] = runs
    return labeled


def _settings_of(root_dir: Path) -> dict[str, str]:
    path = root_dir / folder.CONFIGURATION
    if not path.exists():
        raise ConfigurationError(
            f"{root_dir} holds no {folder.CONFIGURATION}, so it is not the --root_dir of a run."
        )
    return read_settings(path)


def read_curves(root_dirs: Sequence[Path], column: str = RETURN) -> tuple[np.ndarray, np.ndarray]:
    """Returns the steps [n] at which all of the runs were evaluated, and their values of a column
    there, [runs, n].

    Raises:
      ConfigurationError: a run has no curve (see `read_curve`), or they share no step.
    """
    curves = [dict(zip(*read_curve(root_dir, column), strict=True)) for root_dir in root_dirs]
    steps = sorted(set.intersection(*(set(curve) for curve in curves)))
    if not steps:
        raise ConfigurationError(
            f"{', '.join(map(str, root_dirs))} were never evaluated at the same step, so they have "
            "no common curve; draw each of them alone."
        )
    return np.array(steps), np.array([[curve[step] for step in steps] for curve in curves])


def _is_offline(root_dir: Path) -> bool:
    """Returns whether a run learned from a data set, so that its steps are updates."""
    return _DATASET in _settings_of(root_dir)


def task_of(root_dir: Path) -> str:
    """Returns the task of a run."""
    return _settings_of(root_dir)[_TASK].strip("'")


def draw(root_dirs: list[Path], output: Path, column: str = RETURN) -> None:
    """Plots the evaluations of runs over environment steps into an image file.

    Runs that differ only by seed become one line, their mean, over the steps at which all of them
    were evaluated. The range between the lowest and the highest seed is shaded.

    Args:
      root_dirs: of the runs.
      output: the file.
      column: of evaluations.csv.

    Raises:
      ConfigurationError: a folder without a run, or a run without an evaluation.
    """
    distinct = list(dict.fromkeys(root_dirs))
    draw_groups(group_by_configuration(distinct), output, _range_of_seeds, column)


def _range_of_seeds(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values.min(0), values.max(0)


def draw_groups(
    groups: Mapping[str, Sequence[Path]], output: Path, band: Band, column: str = RETURN
) -> None:
    """Plots the mean of each group of runs as a line, with a shaded band, into an image file; each
    task has a panel.

    Args:
      groups: {label: runs}.
      output: the file.
      band: the edges of the shaded band.
      column: of evaluations.csv.
    """
    tasks: dict[str, dict[str, Sequence[Path]]] = {}
    for label, runs in groups.items():
        tasks.setdefault(task_of(runs[0]), {})[label] = runs
    figure = Figure(figsize=(7 * len(tasks), 4.5), layout="constrained")
    panels = figure.subplots(1, len(tasks), squeeze=False)[0]
    for axes, (task, lines) in zip(panels, tasks.items(), strict=True):
        for label, runs in lines.items():
            _draw_line(axes, label, *read_curves(runs, column), band)
        axes.set_title(task)
        runs = [run for group in lines.values() for run in group]
        axes.set_xlabel("updates" if all(map(_is_offline, runs)) else "environment steps")
        axes.set_ylabel(_AXES.get(column, column))
        axes.xaxis.set_major_formatter(EngFormatter())
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(output, dpi=120)


def _draw_line(axes: Axes, label: str, steps: np.ndarray, values: np.ndarray, band: Band) -> None:
    """Draws the mean of values [runs, n], and their band."""
    runs = len(values)
    seeds = f" ({runs} seeds)" if runs > 1 else ""
    (line,) = axes.plot(steps, values.mean(0), marker="o", markersize=3, label=label + seeds)
    if runs > 1:
        axes.fill_between(steps, *band(values), color=line.get_color(), alpha=0.2, linewidth=0)
