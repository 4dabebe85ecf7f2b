"""What a sweep showed: a table and a figure, with confidence intervals over seeds.

Point estimates and intervals are rliable's (Agarwal et al., 2108.13264).
"""

import contextlib
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rliable import library, metrics

from sac_tf.runs import plot

_REPETITIONS = 10_000


class Row(NamedTuple):
    """A setting at its last step: the mean and interquartile mean of returns over seeds, with 95%
    intervals.

    The interquartile mean is that of the middle half of the seeds. One seed has no interval: its
      bounds are NaN.
    """

    setting: str
    seeds: int
    step: int
    mean: float
    mean_low: float
    mean_high: float
    interquartile_mean: float
    interquartile_mean_low: float
    interquartile_mean_high: float


def summarize(groups: Mapping[str, Sequence[Path]]) -> list[Row]:
    """Returns a row for each setting of {setting: folders of its runs}, at the last step that all
    its runs share."""
    rows = []
    for setting, runs in groups.items():
        steps, returns = plot.read_curves(runs)
        of_mean, of_middle = zip(
            *estimate(returns[:, -1:], _mean_and_interquartile_mean), strict=True
        )
        rows.append(Row(setting, len(runs), int(steps[-1]), *map(float, (*of_mean, *of_middle))))
    return rows


def estimate(
    scores: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns a statistic of seeds, and the bounds of its 95% interval by stratified percentile
    bootstrap over seeds.

    Args:
      scores: [seeds, n].
      statistic: f(scores [seeds, 1, n]) -> [m]; the 1 is rliable's axis of tasks, which are its
        strata.

    Returns: the statistic, the lower and the upper bounds [m]; the bounds of a single seed are NaN.
    """
    tasks = scores[:, np.newaxis]
    if len(scores) == 1:
        value = statistic(tasks)
        return value, np.full_like(value, np.nan), np.full_like(value, np.nan)
    with _seeded():
        values, intervals = library.get_interval_estimates(
            {"": tasks}, statistic, reps=_REPETITIONS
        )
    return values[""], *intervals[""]


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Writes a CSV file; bounds that do not exist are empty."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        for row in rows:
            numbers = ["" if np.isnan(value) else f"{value:.6g}" for value in row[3:]]
            writer.writerow([*row[:3], *numbers])


def format_table(rows: Sequence[Row]) -> str:
    """Returns the table as lines for a terminal."""
    cells = [
        ("setting", "seeds", "step", "mean [95% interval]", "interquartile mean [95% interval]")
    ]
    for row in rows:
        of_mean, of_middle = _with_interval(*row[3:6]), _with_interval(*row[6:9])
        cells.append((row.setting, str(row.seeds), f"{row.step:,}", of_mean, of_middle))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


def draw(groups: Mapping[str, Sequence[Path]], output: Path) -> None:
    """Draws a line for each setting: the mean over seeds, its 95% interval shaded, over environment
    steps."""
    plot.draw_groups(groups, output, lambda returns: estimate(returns, _mean)[1:])


def _mean(scores: np.ndarray) -> np.ndarray:
    return scores.mean(axis=(0, 1))


def _mean_and_interquartile_mean(scores: np.ndarray) -> np.ndarray:
    last = scores[..., -1]
    return np.array([metrics.aggregate_mean(last), metrics.aggregate_iqm(last)])


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{value:.1f}" if np.isnan(low) else f"{value:.1f} [{low:.1f}, {high:.1f}]"


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    """Makes a table repeatable: rliable 1.2 draws from NumPy's global generator, and ignores its
    `random_state`."""
    before = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(before)
