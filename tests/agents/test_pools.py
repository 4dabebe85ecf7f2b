"""Pools: numbers worked by hand, two or three critics; and the critics that a pool evaluates."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents import pools
from sac_tf.agents.pools import ComputedQ, DeferredQ
from sac_tf.errors import ConfigurationError
from sac_tf.networks import torsos
from sac_tf.networks.critic import make_critic


def test_minimum_and_mean():
    q = ComputedQ(tf.constant([[1.0, 5.0], [2.0, 3.0]]))
    generator = tf.random.Generator.from_seed(0)
    np.testing.assert_allclose(pools.minimum_q(q, generator), [1.0, 3.0])
    np.testing.assert_allclose(pools.mean_q(q, generator), [1.5, 4.0])


def test_a_subset_is_drawn_without_replacement_for_all_rows():
    """The pairs (0, 1), (0, 2), (1, 2) have a third of the draws each; with replacement (2, 2)
    would give (3, 4)."""
    q = ComputedQ(tf.constant([[1.0, 6.0], [2.0, 5.0], [3.0, 4.0]]))
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
        q = ComputedQ(tf.zeros([2, 4]))
        pools.subset_minimum_q(q, tf.random.Generator.from_seed(0), size=3)


TORSOS = [
    torsos.mlp_torso,
    torsos.layer_norm_torso,
    torsos.batch_renorm_torso,
    torsos.residual_torso,
    functools.partial(torsos.droq_torso, rate=1e-9),
]


def _inputs(spec, torso):
    """Returns a critic of five members with random weights, and eight rows."""
    critic = make_critic(spec, 0, ensemble_size=5, hidden_units=(8, 8), torso=torso)
    normal = functools.partial(tf.random.stateless_normal, seed=[1, 2])
    for number, variable in enumerate(critic.variables):
        if variable.dtype.is_floating:
            variable.assign(tf.abs(tf.random.stateless_normal(variable.shape, [number, 0])))
    return critic, [normal([8, 3]), normal([8, 2])]


@pytest.mark.parametrize("torso", TORSOS)
def test_chosen_critics_give_the_same_values_as_all(spec, torso):
    critic, inputs = _inputs(spec, torso)
    chosen = tf.constant([3, 1])
    some = tf.function(lambda: DeferredQ(critic, inputs)(chosen), autograph=False)()
    every = DeferredQ(critic, inputs)()
    assert every.shape == (5, 8) and len(np.unique(every)) == 40
    np.testing.assert_allclose(some, tf.gather(every, chosen), rtol=1e-5)


def test_a_subset_evaluates_only_the_critics_drawn(spec):
    critic, inputs = _inputs(spec, torsos.layer_norm_torso)
    q = DeferredQ(critic, inputs)
    generator = tf.random.Generator.from_seed(0)

    def products(pool):
        graph = (
            tf.function(lambda: pool(q, generator), autograph=False).get_concrete_function().graph
        )
        return sum(operation.type == "MatMul" for operation in graph.get_operations())

    assert products(pools.minimum_q) == 5 * 3
    assert products(functools.partial(pools.subset_minimum_q, size=2)) == 2 * 3
    pools.subset_minimum_q(q, generator)
    assert q().shape == (5, 8)  # all of them again
