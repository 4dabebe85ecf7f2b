"""Figures of the book of benchmarks: learning curves with every seed, over steps or time, and
performance profiles."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import aggregates, tables
from benchmarks.entries import BOOK, FEW_TASKS, PARTS, TASKS
from benchmarks.returns import Row

_THRESHOLDS = np.linspace(0, 1.5, 151)


def draw(rows: Sequence[Row], output: Path) -> None:
    """Writes all figures to a folder."""
    parts = ["SAC", *PARTS]
    long = [entry for entry in BOOK if entry.task in TASKS and entry.steps >= tables.COMPARED]
    compared = list(dict.fromkeys(entry.label for entry in long))
    curves(rows, output / "returns.png", list(TASKS), compared)
    curves(rows, output / "wall_clock.png", list(TASKS), compared, over_time=True)
    curves(rows, output / "parts.png", list(FEW_TASKS), parts, last=50_000)
    profiles(rows, output / "profiles.png")


def curves(
    rows: Sequence[Row],
    path: Path,
    tasks: Sequence[str],
    algorithms: Sequence[str],
    *,
    last: int | None = None,
    over_time: bool = False,
) -> None:
    """Draws a panel for each task: each seed as a thin line, and their mean at the steps that all
    of them have.

    Args:
      rows: of returns.csv.
      path: of the image.
      tasks, algorithms: what is drawn.
      last: environment steps at which curves end; None for no end.
      over_time: whether the axis is the time of a run instead of its steps.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    figure = Figure(figsize=(5.2 * len(tasks), 4.5), layout="constrained")
    panels = figure.subplots(1, len(tasks), squeeze=False)[0]
    for axes, task in zip(panels, tasks, strict=True):
        for number, algorithm in enumerate(algorithms):
            runs = _runs(rows, algorithm, task, last, over_time)
            if runs:
                _draw_runs(axes, runs, f"C{number}", algorithm)
        axes.set_xlabel("hours, on one core" if over_time else "environment steps")
        if not over_time:
            axes.xaxis.set_major_formatter(EngFormatter())
        _finish(axes, task)
    panels[0].set_ylabel("evaluation return (mean action)")
    figure.savefig(path, dpi=100)


def profiles(rows: Sequence[Row], path: Path) -> None:
    """Draws the share of runs above each score, with 95% bands: for the algorithms on two tasks,
    and for those on all five."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    groups = (FEW_TASKS, tuple(TASKS))
    for axes, tasks in zip(figure.subplots(1, len(groups)), groups, strict=True):
        for label in tables.labels(rows, tasks):
            share = aggregates.profile(tables.normalized(rows, label, tasks), _THRESHOLDS)
            (line,) = axes.plot(_THRESHOLDS, share.value, label=label)
            axes.fill_between(
                _THRESHOLDS, share.low, share.high, color=line.get_color(), alpha=0.15
            )
        axes.set_xlabel("return, relative to CrossQ as published")
        axes.set_ylabel("share of runs above")
        _finish(axes, f"{len(tasks)} tasks, {tables.COMPARED:,} steps")
    figure.savefig(path, dpi=100)


def _runs(
    rows: Sequence[Row], label: str, task: str, last: int | None, over_time: bool
) -> dict[int, dict[int, tuple[float, float]]]:
    """Returns {seed: {step: (step or hours, return)}}."""
    runs: dict[int, dict[int, tuple[float, float]]] = {}
    for row in rows:
        is_drawn = last is None or row.step <= last
        if (row.label, row.task) == (label, task) and is_drawn:
            if not over_time:
                runs.setdefault(row.seed, {})[row.step] = (row.step, row.return_mean)
            elif row.wall_time is not None:
                runs.setdefault(row.seed, {})[row.step] = (row.wall_time / 3600, row.return_mean)
    return runs


def _finish(axes, title: str) -> None:
    axes.set_title(title)
    if axes.lines:
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    else:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "not run yet", ha="center", transform=axes.transAxes)


def _draw_runs(axes, runs: dict[int, dict[int, tuple[float, float]]], color: str, label: str):
    for run in runs.values():
        points = np.array([run[step] for step in sorted(run)])
        axes.plot(*points.T, color=color, linewidth=0.6, alpha=0.6)
    shared = sorted(set.intersection(*(set(run) for run in runs.values())))
    means = np.array([[run[step] for step in shared] for run in runs.values()]).mean(0)
    seeds = "1 seed" if len(runs) == 1 else f"{len(runs)} seeds"
    axes.plot(*means.T, color=color, linewidth=2, label=f"{label} ({seeds})")
