"""Pools: numbers worked by hand, two or three critics."""

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents import pools
from sac_tf.errors import ConfigurationError


def test_minimum_and_mean():
    q = tf.constant([[1.0, 5.0], [2.0, 3.0]])
    generator = tf.random.Generator.from_seed(0)
    np.testing.assert_allclose(pools.minimum_q(q, generator), [1.0, 3.0])
    np.testing.assert_allclose(pools.mean_q(q, generator), [1.5, 4.0])


def test_a_subset_is_drawn_without_replacement_for_all_rows():
    """The pairs (0, 1), (0, 2), (1, 2) have a third of the draws each; with replacement (2, 2)
    would give (3, 4)."""
    q = tf.constant([[1.0, 6.0], [2.0, 5.0], [3.0, 4.0]])
    generator = tf.random.Generator.from_seed(0)
    drawn = [tuple(pools.subset_minimum_q(q, generator, size=2).numpy()) for _ in range(60)]
    assert {pair: drawn.count(pair) > 10 for pair in drawn} == {
        (1.0, 5.0): True,
        (1.0, 4.0): True,
        (2.0, 4.0): True,
    }
    np.testing.assert_allclose(pools.subset_minimum_q(q, generator, size=3), [1.0, 4.0])


def test_a_subset_larger_than_the_ensemble_raises():
    with pytest.raises(
        ConfigurationError, match=r"subset_minimum_q.size=3 is more than critic.ensemble_size=2\."
    ):
        pools.subset_minimum_q(tf.zeros([2, 4]), tf.random.Generator.from_seed(0), size=3)
