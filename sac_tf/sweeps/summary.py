"""Results of a sweep: a table and a figure with confidence intervals over seeds.

Point estimates and intervals are computed by rliable (Agarwal et al., 2108.13264).
"""

import contextlib
import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from rliable import library, metrics

from sac_tf.runs import plot

_REPETITIONS = 10_000


class Statistic(Protocol):
    """A statistic of scores over seeds."""

    def __call__(self, scores: np.ndarray, /) -> np.ndarray:
        """Takes scores [seeds, 1, n] and returns [m]. The axis of length 1 is rliable's axis of
        tasks, its strata."""


class Row(NamedTuple):
    """A setting at its last step: mean and interquartile mean of the returns over seeds, with 95%
    intervals.

    The interquartile mean is the mean of the middle half of the seeds. The bounds of a single seed
    are NaN.
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
    """Returns a row for each setting of {setting: folders of its runs}, at the last step at which
    all its runs were evaluated."""
    rows = []
    for setting, runs in groups.items():
        steps, returns = plot.read_curves(runs)
        value, low, high = estimate(returns[:, -1:], _mean_and_interquartile_mean)
        row = Row(
            setting=setting,
            seeds=len(runs),
            step=int(steps[-1]),
            mean=float(value[0]),
            mean_low=float(low[0]),
            mean_high=float(high[0]),
            interquartile_mean=float(value[1]),
            interquartile_mean_low=float(low[1]),
            interquartile_mean_high=float(high[1]),
        )
        rows.append(row)
    return rows


def estimate(scores: np.ndarray, statistic: Statistic) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns a statistic over seeds, and the bounds of its 95% interval by stratified percentile
    bootstrap over seeds.

    Args:
      scores: [seeds, n].
      statistic: called with the scores as [seeds, 1, n].

    Returns: the statistic, the lower and the upper bounds [m]; the bounds of a single seed are NaN.
    """
    tasks = scores[:, np.newaxis]
    if len(scores) == 1:
        value = statistic(tasks)
        unknown = np.full_like(value, np.nan)
        return value, unknown, unknown
    with seeded():
        values, intervals = library.get_interval_estimates(
            {"": tasks}, statistic, reps=_REPETITIONS
        )
    low, high = intervals[""]
    return values[""], low, high


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Writes a CSV file; missing bounds are empty."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        for row in rows:
            numbers = ["" if np.isnan(value) else f"{value:.6g}" for value in row[3:]]
            writer.writerow([*row[:3], *numbers])


def format_table(rows: Sequence[Row]) -> str:
    """Returns the table as text for a terminal."""
    cells = [
        ("setting", "seeds", "step", "mean [95% interval]", "interquartile mean [95% interval]")
    ]
    for row in rows:
        mean = _with_interval(row.mean, row.mean_low, row.mean_high)
        interquartile_mean = _with_interval(
            row.interquartile_mean, row.interquartile_mean_low, row.interquartile_mean_high
        )
        cells.append((row.setting, str(row.seeds), f"{row.step:,}", mean, interquartile_mean))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


def draw(groups: Mapping[str, Sequence[Path]], output: Path) -> None:
    """Draws a line for each setting over environment steps: the mean over seeds, with its 95%
    interval shaded."""
    plot.draw_groups(groups, output, lambda returns: estimate(returns, _mean)[1:])


def _mean(scores: np.ndarray) -> np.ndarray:
    return scores.mean(axis=(0, 1))


def _mean_and_interquartile_mean(scores: np.ndarray) -> np.ndarray:
    last = scores[..., -1]
    return np.array([metrics.aggregate_mean(last), metrics.aggregate_iqm(last)])


def _with_interval(value: float, low: float, high: float) -> str:
    if np.isnan(low):
        return f"{value:.1f}"
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    """Seeds NumPy's global generator, which rliable 1.2 draws from (it ignores `random_state`), and
    restores its state afterwards."""
    before = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(before)
