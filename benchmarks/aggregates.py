"""Statistics over runs and tasks with 95% intervals (Agarwal et al., 2108.13264), by rliable.

Scores are arrays [runs, tasks]. Intervals are percentiles of a stratified bootstrap: runs are
resampled within each task. They are NaN for a single run.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from rliable import library, metrics

from sac_tf.sweeps.summary import seeded

_REPETITIONS = 2_000


class Estimate(NamedTuple):
    """A statistic and the bounds of its interval, each a number or an array."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def interquartile_mean(scores: np.ndarray) -> Estimate:
    """Returns the mean of the middle half of all scores."""
    return _estimate(lambda one: np.array([metrics.aggregate_iqm(one)]), scores)


def mean(scores: np.ndarray) -> Estimate:
    """Returns the mean over tasks of the mean over runs."""
    return _estimate(lambda one: np.array([metrics.aggregate_mean(one)]), scores)


def improvement(scores: np.ndarray, others: np.ndarray) -> Estimate:
    """Returns the probability that a run of `scores` is better than one of `others` on the same
    task, the mean over tasks; equal runs count one half."""
    return _estimate(_improvement, scores, others)


def profile(scores: np.ndarray, thresholds: np.ndarray) -> Estimate:
    """Returns the share of runs whose score is above each threshold."""
    return _estimate(lambda one: (one[..., np.newaxis] > thresholds).mean(axis=(0, 1)), scores)


def _improvement(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    difference = scores[:, np.newaxis] - others
    return np.array([(np.sign(difference).mean() + 1) / 2])


def _estimate(statistic: Callable[..., np.ndarray], *scores: np.ndarray) -> Estimate:
    if min(map(len, scores)) == 1:
        value = statistic(*scores)
        unknown = np.full_like(value, np.nan, dtype=float)
        return Estimate(value, unknown, unknown)
    named: dict[str, np.ndarray | Sequence[np.ndarray]] = {
        "": scores[0] if len(scores) == 1 else list(scores)
    }
    with seeded():
        values, intervals = library.get_interval_estimates(named, statistic, reps=_REPETITIONS)
    return Estimate(values[""], *intervals[""])
