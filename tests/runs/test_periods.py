"""Periods in environment steps."""

import itertools

import pytest

from sac_tf.runs.periods import is_due


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (0, 1, False),
        (8, 9, False),
        (9, 10, True),
        (10, 11, False),
        (9, 12, True),  # crossed by several environments
        (10, 20, True),
        (3, 45, True),
        (10, 10, False),
    ],
)
def test_a_multiple_that_is_reached_or_crossed_is_due(before, now, expected):
    assert is_due(10, before, now) == expected


def test_a_run_counts_each_multiple_once():
    steps = range(0, 101, 3)
    due = [now for before, now in itertools.pairwise(steps) if is_due(10, before, now)]
    assert due == [12, 21, 30, 42, 51, 60, 72, 81, 90]
