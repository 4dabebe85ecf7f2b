import functools

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.heads import state_independent_std
from sac_tf.networks.inputs import observation_inputs, used_leaves
from sac_tf.networks.layers import EnsembleDense
from sac_tf.networks.running_normalization import RunningNormalization


def test_ensemble_dense_is_separate_dense_layers():
    layer = EnsembleDense(members=3, units=4, seed=0, activation="relu")
    inputs = [tf.random.stateless_normal([5, 2], [0, member]) for member in range(3)]
    outputs = layer(inputs)
    for member in range(3):
        by_hand = np.maximum(inputs[member] @ layer.kernels[member] + layer.biases[member], 0)
        np.testing.assert_allclose(outputs[member], by_hand, rtol=1e-5, atol=1e-6)


def test_ensemble_members_are_initialized_separately():
    layer = EnsembleDense(members=2, units=200, seed=1)
    layer([tf.zeros([1, 300])] * 2)
    kernel = np.stack(layer.kernels)
    limit = np.sqrt(6 / (300 + 200))
    assert np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    assert np.abs(kernel[0] - kernel[1]).max() > 0.1


def test_shapes_and_number_of_variables(spec):
    critic = make_critic(spec, seed=0, ensemble_size=10)
    assert critic([tf.zeros([7, 3]), tf.zeros([7, 2])]).shape == (10, 7)
    assert len(critic.trainable_variables) == 6 * 10
    loc, log_std = make_actor(spec, seed=0)([tf.zeros([7, 3])])
    assert loc.shape == log_std.shape == (7, 2)


def test_nested_observations(nested_spec):
    observation = tf.nest.map_structure(
        lambda leaf: tf.zeros([4, *leaf.shape]), nested_spec.observation
    )
    assert make_actor(nested_spec, seed=0)([observation])[0].shape == (4, 1)
    assert make_critic(nested_spec, seed=0)([observation, tf.zeros([4, 1])]).shape == (2, 4)


def test_each_leaf_of_a_nested_observation_affects_the_actor(nested_spec):
    actor = make_actor(nested_spec, seed=0)
    zero = tf.nest.map_structure(lambda leaf: tf.zeros([1, *leaf.shape]), nested_spec.observation)
    for changed in range(3):
        leaves = tf.nest.flatten(zero)
        leaves[changed] += 1.0
        loc = actor([tf.nest.pack_sequence_as(zero, leaves)])[0]
        assert np.abs(loc - actor([zero])[0]).max() > 1e-4


@pytest.mark.parametrize("normalization", [None, RunningNormalization])
def test_unused_arrays_of_an_observation_affect_nothing(nested_spec, normalization):
    """They remain inputs, so that a policy takes what the task returns."""
    names = [leaf.name for leaf in nested_spec.observation_leaves]
    inputs = functools.partial(
        observation_inputs, leaves=functools.partial(used_leaves, without=(names[1],))
    )
    actor = make_actor(nested_spec, seed=0, normalization=normalization, inputs=inputs)
    zero = tf.nest.map_structure(lambda leaf: tf.zeros([1, *leaf.shape]), nested_spec.observation)
    changes = []
    for changed in range(3):
        leaves = tf.nest.flatten(zero)
        leaves[changed] += 1.0
        loc = actor([tf.nest.pack_sequence_as(zero, leaves)])[0]
        changes.append(np.abs(loc - actor([zero])[0]).max() > 1e-4)
    assert changes == [True, False, True]


@pytest.mark.parametrize("unused", [("goal",), "all"])
def test_unused_arrays_must_exist_and_leave_one(nested_spec, unused):
    names = tuple(leaf.name for leaf in nested_spec.observation_leaves)
    with pytest.raises(ConfigurationError, match="used_leaves.without=.*must name some of"):
        used_leaves(nested_spec, names if unused == "all" else unused)


def test_same_seed_same_weights(spec):
    for make in (make_actor, make_critic):
        first, again, other = (make(spec, seed=seed).get_weights() for seed in (3, 3, 4))
        for a, b in zip(first, again, strict=True):
            np.testing.assert_array_equal(a, b)
        assert any((a != b).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("units", [0, (256, 0), "256", (2.5,)])
def test_hidden_units_must_be_counts(spec, units):
    for name, make in (("actor", make_actor), ("critic", make_critic)):
        with pytest.raises(ConfigurationError, match=f"{name}.hidden_units must be"):
            make(spec, seed=0, hidden_units=units)


@pytest.mark.parametrize("size", [0, -1, 2.0, True])
def test_ensemble_size_must_be_a_count(spec, size):
    with pytest.raises(ConfigurationError, match="critic.ensemble_size"):
        make_critic(spec, seed=0, ensemble_size=size)


def test_state_independent_std_is_constant_and_trained(spec):
    actor = make_actor(spec, seed=0, heads=state_independent_std)
    observation = tf.random.stateless_normal([7, 3], [0, 1])
    with tf.GradientTape() as tape:
        loc, log_std = actor([observation])
        total = tf.reduce_sum(log_std * [[1.0, 2.0]])
    np.testing.assert_array_equal(log_std, np.zeros((7, 2)))
    assert np.ptp(loc, axis=0).min() > 0
    weight = actor.get_layer("log_std").value
    np.testing.assert_array_equal(tape.gradient(total, weight), [7.0, 14.0])
    weight.assign([0.5, -1.0])
    _, log_std = actor([observation])
    np.testing.assert_array_equal(log_std, np.tile([0.5, -1.0], (7, 1)).astype(np.float32))
