"""Rows that say which they are, for the tests of this folder."""

import numpy as np
import tensorflow as tf

from sac_tf.types import Transition

CAPACITY, EXPECTED_ROWS = 100, 10_000
"""Of the replay that the fixture makes."""


def numbered_rows(first: int, last: int) -> Transition:
    """Transitions `first` to `last` - 1, whose reward is their number."""
    number = np.arange(first, last, dtype=np.float32)
    observation = np.stack([number] * 3, 1)
    return Transition(
        observation, np.zeros((len(number), 2)), number, np.ones(len(number)), observation + 1
    )


def drawn_numbers(replay, number=2000) -> np.ndarray:
    """The numbers of the transitions that `replay` gives."""
    batch = tf.function(lambda: replay.sample(number))()
    np.testing.assert_array_equal(batch.observation[:, 0], batch.reward)
    np.testing.assert_array_equal(batch.next_observation[:, 2], batch.reward + 1)
    return batch.reward.numpy()
