"""Numbered transitions for the tests of this folder."""

import numpy as np

from sac_tf.types import Transition
from tests.sources import sample_rows

CAPACITY = 100
EXPECTED_STEPS = 10_000
DISCOUNT = 0.5
"""Of the replay that the fixture makes."""


def numbered(number: float) -> Transition:
    """Returns the transition of one environment whose reward is its number."""
    observation = np.full([1, 3], number, np.float32)
    return Transition(
        observation, np.zeros((1, 2)), np.float32([number]), np.ones(1), observation + 1
    )


def add_numbered(replay, first: int, last: int) -> None:
    """Adds the transitions `first` to `last` - 1 of one episode, which does not end."""
    for number in range(first, last):
        replay.add(numbered(number), step=number)


def sampled_numbers(replay, number=2000) -> np.ndarray:
    """Returns the numbers of `number` transitions sampled from `replay`."""
    batch = sample_rows(replay, number)
    np.testing.assert_array_equal(batch.observation[:, 0], batch.reward)
    np.testing.assert_array_equal(batch.next_observation[:, 2], batch.reward + 1)
    return batch.reward.numpy()
