"""Periods in environment steps, and checkpoint periods that wait for the ends of episodes."""

import itertools
import types

import pytest

from sac_tf.runs.periods import CheckpointPeriods, is_due


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


def _ends(period, lengths, *, limit=None, start=0, steps=1000, said=None):
    """Returns the steps at which periods end, of environments whose episodes have `lengths`."""
    environment = types.SimpleNamespace(num_environments=len(lengths), max_episode_steps=limit)
    periods = CheckpointPeriods(period, environment, [].append if said is None else said.append)
    ends = []
    begun = start
    periods.begin(begun)
    for step in range(start + len(lengths), start + steps + 1, len(lengths)):
        played = (step - begun) // len(lengths)
        ended = [copy for copy, length in enumerate(lengths) if played % length == 0]
        if periods.is_over(step, ended):
            ends.append(step)
            begun = step
            periods.begin(begun)
    return ends


@pytest.mark.parametrize(
    ("period", "lengths", "expected"),
    [
        (250, [200], [250, 500, 750, 1000]),  # shorter episodes do not move a checkpoint
        (200, [200], [200, 400, 600, 800, 1000]),
        (150, [200], [200, 400, 600, 800, 1000]),
        (150, [400], [400, 800]),
        (100, [10, 130, 40, 50], [520]),  # all four have ended after 130 joint steps
        (400, [50, 50, 50], [402, 801]),
    ],
)
def test_a_checkpoint_waits_for_an_episode_of_each_environment(period, lengths, expected):
    assert _ends(period, lengths) == expected


def test_a_resumed_run_ends_its_periods_at_the_same_steps():
    whole = _ends(150, [230, 90], steps=3000)
    assert len(whole) > 3
    for done, end in enumerate(whole):
        assert _ends(150, [230, 90], start=end, steps=3000 - end) == whole[done + 1 :]


@pytest.mark.parametrize(
    ("limit", "first", "words"),
    [
        (None, 20_000, "No episode ended in 10,000 steps: each checkpoint (at step 20,000 for"),
        (30_000, 60_000, None),
        (10**9, 200_000, "No episode ended in 100,000 steps"),
    ],
)
def test_the_wait_for_the_end_of_an_episode_is_bounded(limit, first, words):
    said = []
    never = limit if limit == 30_000 else 10**9
    ends = _ends(500, [never] * 2, limit=limit, steps=3 * first, said=said)
    assert ends == [first, 2 * first, 3 * first]
    assert len(said) == (words is not None)
    assert words is None or said[0].startswith(words)


def test_a_longer_period_is_kept_in_a_task_without_ends():
    assert _ends(15_000, [10**9], steps=45_000) == [15_000, 30_000, 45_000]
