"""Numbered transitions for the tests of this folder."""

import numpy as np

from sac_tf.types import Transition
from tests.sources import sample_rows

CAPACITY = 100
EXPECTED_ROWS = 10_000
DISCOUNT = 0.5
"""Of the replay that the fixture makes."""


def numbered_rows(first: int, last: int) -> Transition:
    """Returns transitions `first` to `last` - 1, whose reward is their number."""
    number = np.arange(first, last, dtype=np.float32)
    observation = np.stack([number] * 3, 1)
    return Transition(
        observation, np.zeros((len(number), 2)), number, np.ones(len(number)), observation + 1
    )


def sampled_numbers(replay, number=2000) -> np.ndarray:
    """Returns the numbers of `number` transitions sampled from `replay`."""
    batch = sample_rows(replay, number)
    np.testing.assert_array_equal(batch.observation[:, 0], batch.reward)
    np.testing.assert_array_equal(batch.next_observation[:, 2], batch.reward + 1)
    return batch.reward.numpy()
