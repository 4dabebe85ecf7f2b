"""Transitions and n-step rows: what is stored at each kind of episode boundary."""

import itertools

import numpy as np
import pytest

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError
from sac_tf.replay.transitions import NStepRows, OneStepRows, to_transition
from sac_tf.training.collecting import collect
from sac_tf.types import Episode, Step, Transition

COLUMNS = Transition(slice(0, 3), slice(3, 4), slice(4, 5), slice(5, 6), slice(6, 9))
"""Observation (copy, episode, time), action, reward, discount, next observation."""


def test_discount_of_every_kind_of_step():
    step = Step(
        reward=np.float32([1, 2, 3, 4]),
        terminated=np.array([False, True, False, True]),
        truncated=np.array([False, False, True, True]),
        successor=np.float32([[1], [2], [3], [4]]),
        observation=np.float32([[1], [0], [0], [0]]),
        info=[{}] * 4,
    )
    transition = to_transition(np.zeros((4, 1)), np.zeros((4, 1)), step)
    np.testing.assert_array_equal(transition.discount, [1, 0, 1, 0])
    np.testing.assert_array_equal(transition.next_observation, step.successor)


def test_two_episodes_of_a_counting_environment():
    """The environment observes (episode, step); its first episode terminates at step 5, its second
    is truncated there."""
    actions = iter(np.linspace(-1, 1, 11))
    stream = collect(
        EnvironmentFactory("tests.toy:Counter-v0").make(),
        lambda _: np.float32([[next(actions)]]),
        seed=0,
    )
    rows = []
    episodes = []
    for _ in range(10):
        transition, finished = next(stream)
        rows.append(
            [*transition.observation[0], *transition.next_observation[0], transition.discount[0]]
        )
        episodes += finished
    np.testing.assert_array_equal(
        rows,
        [
            [1, 0, 1, 1, 1],
            [1, 1, 1, 2, 1],
            [1, 2, 1, 3, 1],
            [1, 3, 1, 4, 1],
            [1, 4, 1, 5, 0],
            [2, 0, 2, 1, 1],
            [2, 1, 2, 2, 1],
            [2, 2, 2, 3, 1],
            [2, 3, 2, 4, 1],
            [2, 4, 2, 5, 1],
        ],
    )
    rewards = -0.75 + 1.25 * np.linspace(-1, 1, 11)
    assert [episode.length for episode in episodes] == [5, 5]
    np.testing.assert_allclose(
        [e.total_reward for e in episodes], [rewards[:5].sum(), rewards[5:10].sum()], rtol=1e-5
    )


def test_each_environment_ends_its_own_episodes():
    environment = EnvironmentFactory("tests.toy:Counter-v0").make(2)
    stream = collect(environment, lambda _: np.zeros((2, 1)), 0)
    finished = [episodes for _, episodes in itertools.islice(stream, 5)]
    assert finished[:4] == [[], [], [], []]
    assert [(e.copy, e.length) for e in finished[4]] == [(0, 5), (1, 5)]
    assert isinstance(finished[4][0], Episode)


def _play(generator, copies, steps):
    """Yields rows [E, W] and the environments whose episode ended, for each step; episodes
    terminate and are truncated at random."""
    episode = np.zeros(copies)
    time = np.zeros(copies)
    for _ in range(steps):
        here = np.stack([np.arange(copies), episode, time], 1)
        terminated, truncated = generator.random((2, copies)) < 0.15
        reward = generator.integers(-8, 9, copies)
        time = time + 1
        there = np.stack([np.arange(copies), episode, time], 1)
        columns = [here, np.zeros((copies, 1)), reward[:, None], ~terminated[:, None], there]
        ended = terminated | truncated
        yield np.concatenate(columns, axis=1, dtype=np.float32), np.flatnonzero(ended).tolist()
        episode = episode + ended
        time = np.where(ended, 0, time)


def _expected(played, n, discount):
    """Yields the n-step rows of one period by the definition: from each start to n steps later, an
    end, or the last step."""
    for t, (rows, _) in enumerate(played):
        for copy, row in enumerate(rows):
            ends = (k for k in range(n) if t + k + 1 == len(played) or copy in played[t + k][1])
            last = next(ends, n - 1)
            window = [played[t + k][0][copy] for k in range(last + 1)]
            folded = sum(discount**k * step[4] for k, step in enumerate(window))
            survived = float(np.prod([step[5] for step in window]))
            yield [*row[:4], folded, discount**last * survived, *window[-1][6:]]


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_n_step_rows_against_the_definition(copies, n):
    """Integers and a discount of 1/2 are exact in float32. Each period begins with new
    episodes."""
    generator = np.random.default_rng(n)
    transform = NStepRows(COLUMNS, 0.5, n=n)
    for steps in (40, 3, 1, 60):
        played = list(_play(generator, copies, steps))
        added = [transform.add(rows.copy(), ended) for rows, ended in played]
        stored = np.concatenate([*added, transform.flush()])
        expected = np.float32(list(_expected(played, n, 0.5)))
        assert stored.dtype == np.float32
        assert len(stored) == steps * copies
        for copy in range(copies):
            np.testing.assert_array_equal(
                stored[stored[:, 0] == copy], expected[expected[:, 0] == copy]
            )
    assert transform.flush().shape == (0, 9)


def test_a_full_n_step_row_is_stored_immediately():
    rows = np.stack([[[0, 0, t, 0, 1, 1, 0, 0, t + 1]] for t in range(5)]).astype(np.float32)
    transform = NStepRows(COLUMNS, 0.5, n=3)
    given = [transform.add(row, ended=()) for row in rows]
    assert [len(block) for block in given] == [0, 0, 1, 1, 1]
    np.testing.assert_array_equal(
        np.concatenate(given)[:, [2, 4, 5, 8]], [[t, 1.75, 0.25, t + 3] for t in range(3)]
    )
    np.testing.assert_array_equal(
        transform.flush()[:, [2, 4, 5, 8]], [[3, 1.5, 0.5, 5], [4, 1, 1, 5]]
    )


def test_one_step_rows_are_the_transitions():
    transform = OneStepRows(COLUMNS, 0.99)
    rows = np.ones((2, 9), np.float32)
    assert transform.add(rows, [1]) is rows
    assert transform.flush().shape == (0, 9)


def test_a_number_out_of_range_raises():
    with pytest.raises(ConfigurationError, match="NStepRows.n must be"):
        NStepRows(COLUMNS, 0.99, n=0)
