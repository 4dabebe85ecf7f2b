import functools

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac import steps
from sac_tf.agents.sac.state import SacState
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.running_normalization import RunningNormalization, make_observer
from sac_tf.types import Transition

SMALL = {"hidden_units": (16,), "normalization": RunningNormalization}


def _rows(spec, number, seed=0):
    generator = np.random.default_rng(seed)
    return tf.nest.map_structure(
        lambda leaf: generator.normal(5.0, 3.0, [number, *leaf.shape]).astype(np.float32),
        spec.observation,
    )


def test_before_the_first_observation_it_only_clips():
    layer = RunningNormalization(clip=4.0)
    (x,) = layer([tf.constant([[1.0, -9.0]])])
    np.testing.assert_array_equal(x, [[1.0, -4.0]])


def test_running_statistics_by_hand():
    """1 and 4, then 7: mean 4, variance 6."""
    layer = RunningNormalization(clip=None)
    layer([tf.zeros([1, 1])])
    layer.observe([tf.constant([[1.0], [4.0]])])
    layer.observe([tf.constant([[7.0]])])
    np.testing.assert_allclose(layer([tf.constant([[10.0]])])[0], [[6 / np.sqrt(6)]], rtol=1e-6)


def test_the_statistics_of_all_networks_are_equal_in_every_bit():
    """TensorFlow's graph optimizer once summed three terms in an order that differed between
    networks, and between processes."""
    generator = np.random.default_rng(0)
    sizes = (1, 1, 2)
    rows = [np.float32(generator.normal(0, 10, [300, 3, size])) for size in sizes]
    statistics = set()
    for _ in range(3):
        module = tf.Module()
        module.layers = [RunningNormalization() for _ in range(3)]
        for layer in module.layers:
            layer([tf.zeros([1, size]) for size in sizes])
        observe = make_observer(module)
        for batch in zip(*rows, strict=True):
            observe(list(batch))
        for layer in module.layers:
            leaves = layer.moments.leaves
            statistics.add(tuple(leaf.squares.numpy().tobytes() for leaf in leaves))
    assert len(statistics) == 1


def test_each_leaf_of_an_observation_has_its_own_statistics(nested_spec):
    actor = make_actor(nested_spec, seed=0, **SMALL)
    observe = make_observer(actor)
    batches = [_rows(nested_spec, number, seed=number) for number in (1, 7, 40)]
    for batch in batches:
        observe(batch)
    rows = tf.nest.map_structure(lambda *leaves: np.concatenate(leaves), *batches)
    by_hand = tf.nest.map_structure(lambda leaf: (leaf - leaf.mean(0)) / leaf.std(0), rows)
    plain = make_actor(nested_spec, seed=0, hidden_units=(16,))
    for normalized, expected in zip(actor([rows]), plain([by_hand]), strict=True):
        np.testing.assert_allclose(normalized, expected, rtol=1e-4, atol=1e-5)


def test_networks_share_statistics_that_no_step_changes(spec):
    state = SacState(
        spec,
        seed=0,
        discount=0.99,
        policy=functools.partial(make_policy, network=functools.partial(make_actor, **SMALL)),
        critic=functools.partial(make_critic, **SMALL),
    )
    networks = (state.policy.network, state.critics.model, state.critics.target)
    make_observer(state)(_rows(spec, 20))

    def statistics():
        return [
            [weight.numpy() for weight in network.non_trainable_variables] for network in networks
        ]

    before = statistics()
    rows = _rows(spec, 8, seed=1)
    batch = Transition(rows, tf.zeros([8, 2]), tf.ones([8]), tf.ones([8]), rows)
    steps.critic_step(state, batch, tau=0.3, target_period=2)
    steps.critic_step(state, batch, tau=0.3, target_period=2)
    steps.actor_step(state, batch)
    for network in statistics() + before:
        for weight, expected in zip(network, before[0], strict=True):
            np.testing.assert_array_equal(weight, expected)
    assert np.abs(before[0][0] - 5).max() < 3
    assert len(before[0]) == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"clip": 0}, "RunningNormalization.clip must be a number above 0 or None, got 0"),
        ({"epsilon": -1.0}, "RunningNormalization.epsilon must be a number above 0, got -1.0"),
    ],
)
def test_invalid_settings_raise(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        RunningNormalization(**settings)
