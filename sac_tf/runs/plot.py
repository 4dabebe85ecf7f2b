"""Learning curves: plots of the evaluation returns of runs over environment steps."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from sac_tf.errors import ConfigurationError
from sac_tf.runs import folder
from sac_tf.runs.configuration import read_settings

Band: TypeAlias = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Returns [runs, n] -> the lower and the upper edge of the shaded band, [n] each."""

_SEED = "train.seed"
_TASK = "train.environment"


def read_curve(root_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns steps [n] and mean returns [n] from the evaluations of a run."""
    path = root_dir / folder.EVALUATIONS
    if not path.exists():
        raise ConfigurationError(
            f"{root_dir} holds no {folder.EVALUATIONS}, so it is not the --root_dir of a run."
        )
    with path.open(newline="") as file:
        rows = [(int(row["step"]), float(row["return_mean"])) for row in csv.DictReader(file)]
    if not rows:
        raise ConfigurationError(f"{path} has no evaluation yet; wait for the first one.")
    steps, returns = zip(*rows, strict=True)
    return np.array(steps), np.array(returns)


def group_by_configuration(root_dirs: list[Path]) -> dict[str, list[Path]]:
    """Returns {label: runs}: runs that differ only by seed share a label, which is the task and,
    where several configurations have the same task, the folder of the first run."""
    groups: dict[tuple, list[Path]] = {}
    for root_dir in root_dirs:
        settings = _settings_of(root_dir)
        task = settings[_TASK].strip("'")
        settings.pop(_SEED, None)
        configuration = tuple(sorted(settings.items()))
        groups.setdefault((task, configuration), []).append(root_dir)
    tasks = [task for task, _ in groups]
    labeled = {}
    for (task, _), runs in groups.items():
        label = task if tasks.count(task) == 1 else f"{task} {runs[0].name}"
        labeled[label] = runs
    return labeled


def _settings_of(root_dir: Path) -> dict[str, str]:
    path = root_dir / folder.CONFIGURATION
    if not path.exists():
        raise ConfigurationError(
            f"{root_dir} holds no {folder.CONFIGURATION}, so it is not the --root_dir of a run."
        )
    return read_settings(path)


def read_curves(root_dirs: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the steps [n] at which all of the runs were evaluated, and their mean returns there,
    [runs, n]."""
    curves = [dict(zip(*read_curve(root_dir), strict=True)) for root_dir in root_dirs]
    steps = sorted(set.intersection(*(set(curve) for curve in curves)))
    return np.array(steps), np.array([[curve[step] for step in steps] for curve in curves])


def draw(root_dirs: list[Path], output: Path) -> None:
    """Plots the evaluation returns of runs over environment steps into an image file.

    Runs that differ only by seed become one line, their mean, over the steps at which all of them
    were evaluated. The range between the lowest and the highest seed is shaded.

    Raises:
      ConfigurationError: a folder without a run, or a run without an evaluation.
    """
    draw_groups(group_by_configuration(root_dirs), output, _range_of_seeds)


def _range_of_seeds(returns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return returns.min(0), returns.max(0)


def draw_groups(groups: Mapping[str, Sequence[Path]], output: Path, band: Band) -> None:
    """Plots the mean of each group of runs as a line, with a shaded band, into an image file.

    Args:
      groups: {label: runs}.
      output: the file.
      band: the edges of the shaded band.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for label, runs in groups.items():
        steps, returns = read_curves(runs)
        seeds = f" ({len(runs)} seeds)" if len(runs) > 1 else ""
        (line,) = axes.plot(steps, returns.mean(0), marker="o", markersize=3, label=label + seeds)
        if len(runs) > 1:
            axes.fill_between(steps, *band(returns), color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("evaluation return (mean action)")
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(output, dpi=120)
