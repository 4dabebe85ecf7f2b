"""Encoders: sizes, what each loss trains, and images that they cannot take."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.cql.steps import cloning_actor_step, cql_gap, cql_step
from sac_tf.agents.sac import steps
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.encoders import (
    Split,
    drq_convolutions,
    encoded_inputs,
    encoder_of,
    serl_convolutions,
    spatial_softmax,
)
from sac_tf.networks.inputs import used_leaves
from sac_tf.networks.running_normalization import RunningNormalization, make_observer
from tests.images import B, batch_of, observation_of, spec_of, spec_with, state_of


@pytest.mark.parametrize(
    ("strides", "size", "features"),
    [((2, 1, 1, 1), 84, 39_200), ((2, 2, 2, 1), 84, 1_568), ((2, 2, 2, 1), 64, 800)],
)
def test_sizes_are_those_of_drq(strides, size, features):
    """84 -> 41, 39, 37, 35 and 35 * 35 * 32 features; 41, 20, 9, 7 and 7 * 7 * 32."""
    convolutions = functools.partial(drq_convolutions, strides=strides)
    state = state_of(spec_of((size, size, 9)), convolutions=convolutions)
    encoder = encoder_of(state.policy.network)
    assert encoder.output_shape == (None, features)
    assert sum(np.prod(v.shape) for v in encoder.variables) == 9 * 9 * 32 + 3 * 9 * 32 * 32 + 4 * 32


def test_spatial_softmax_by_hand():
    """Weights 1/8, 1/8, 1/4, 1/2 of the corners: y = 3/4 - 1/4, x = 5/8 - 3/8; and one corner."""
    maps = np.zeros((1, 2, 2, 2), np.float32)
    maps[0, ..., 0] = np.log([[1, 1], [2, 4]])
    maps[0, 0, 1, 1] = 100
    np.testing.assert_allclose(spatial_softmax(tf.constant(maps)), [[0.5, -1, 0.25, 1]], atol=1e-6)


def test_the_small_encoder_of_serl():
    image = tf.keras.Input((128, 128, 3))
    assert serl_convolutions(image, iter(range(9))).shape == (None, 256)


def test_a_network_in_two_parts_is_the_network():
    spec = spec_of((32, 32, 3), (32, 40, 1), vector=3)
    state = state_of(spec, RunningNormalization)
    make_observer(state)({"position": np.float32([[1.0, 2.0, 3.0]])})
    observation = observation_of(spec)
    action = tf.ones([B, 2])
    for network, others in ((state.policy.network, []), (state.critics.model, [action])):
        parts = Split(network)
        encoding = parts.encode(observation)
        assert len(encoding) == 3
        whole, head = network([observation, *others]), parts.head([encoding, *others])
        for one, other in zip(tf.nest.flatten(whole), tf.nest.flatten(head), strict=True):
            np.testing.assert_array_equal(one, other)


def _values(model):
    return [variable.numpy().copy() for variable in model.variables]


def _changed(before, model):
    return [not np.array_equal(a, b) for a, b in zip(before, _values(model), strict=True)]


def _without_encoder(network):
    encoder = {id(variable) for variable in encoder_of(network).variables}
    return [variable for variable in network.variables if id(variable) not in encoder]


_ONE_ACTION = functools.partial(cql_gap, sampled_actions=1)


@pytest.mark.parametrize(
    ("shares_features", "actor_step", "critic_step"),
    [
        (True, steps.actor_step, steps.critic_step),
        (
            False,
            cloning_actor_step,
            functools.partial(cql_step, gap=_ONE_ACTION),
        ),
    ],
)
def test_the_loss_of_the_critics_trains_the_encoder(shares_features, actor_step, critic_step):
    spec = spec_of((32, 32, 3), (32, 32, 1), vector=2)
    state = state_of(spec, shares_features=shares_features)
    critics, policy = encoder_of(state.critics.model), encoder_of(state.policy.network)
    assert len(policy.variables) == 2 * (8 + 4 * shares_features)
    np.testing.assert_equal(_values(critics), _values(policy))
    first = _values(critics)
    heads = [v.numpy().copy() for v in _without_encoder(state.policy.network)]
    actor_step(state, batch_of(spec))
    assert not any(_changed(first, critics)) and not any(_changed(first, policy))
    moved = [
        not np.array_equal(before, v)
        for before, v in zip(heads, _without_encoder(state.policy.network), strict=True)
    ]
    assert all(moved)  # among them the dense layer of the vector
    heads = [v.numpy().copy() for v in _without_encoder(state.policy.network)]
    critic_step(state, batch_of(spec))
    assert state.actor.optimizer.iterations == 1
    np.testing.assert_equal(heads, [v.numpy() for v in _without_encoder(state.policy.network)])
    assert all(_changed(first, critics))
    np.testing.assert_equal(_values(critics), _values(policy))


def test_the_target_has_an_encoder_of_its_own():
    spec = spec_of((32, 32, 3))
    state = state_of(spec)
    first = _values(encoder_of(state.critics.target))
    np.testing.assert_equal(first, _values(encoder_of(state.critics.model)))
    steps.critic_step(state, batch_of(spec), tau=0.5)
    for before, target, now in zip(
        first,
        _values(encoder_of(state.critics.target)),
        _values(encoder_of(state.critics.model)),
        strict=True,
    ):
        np.testing.assert_allclose(target, (before + now) / 2, atol=1e-6)


@pytest.mark.parametrize("unused", ["camera1", "position"])
def test_unused_arrays_affect_nothing(unused):
    spec = spec_of((32, 32, 1), (32, 32, 1), vector=2)
    policy = state_of(spec, leaves=functools.partial(used_leaves, without=(unused,))).policy
    observation = observation_of(spec)
    action = policy.mean_action(observation)
    for leaf in spec.observation_leaves:
        changed = {**observation, leaf.name: tf.ones_like(observation[leaf.name])}
        is_same = np.array_equal(action, policy.mean_action(changed))
        assert is_same == (leaf.name == unused)


@pytest.mark.parametrize(
    ("spec", "settings", "message"),
    [
        (spec_of((16, 16, 3)), {}, "An image of 16 x 16 pixels is too small for drq_convolutions"),
        (
            spec_of((16, 16, 3)),
            {"convolutions": serl_convolutions},
            "An image of 16 x 16 pixels is too small for serl_convolutions.filters",
        ),
        (
            spec_of((32, 32, 3)),
            {"convolutions": functools.partial(drq_convolutions, filters=(8,))},
            "must have a number for each layer",
        ),
        (
            spec_with("depth", (8, 8, 1), "float32"),
            {},
            r"takes images of uint8, .*has depth float32 \[",
        ),
        (spec_with("gray", (32, 32), "uint8"), {}, r"has gray uint8 \[32, 32\]; give it an axis"),
        (spec_of(vector=3), {}, "encoded_inputs needs an image, uint8 .*, and the observation has"),
        (spec_of((32, 32, 3)), {"image_features": 0}, "image_features must be an integer"),
    ],
)
def test_what_an_encoder_cannot_take_is_one_sentence(spec, settings, message):
    with pytest.raises(ConfigurationError, match=message):
        encoded_inputs(spec, None, iter(range(100)), **settings)


def test_an_image_without_an_encoder_is_refused():
    with pytest.raises(ConfigurationError, match="has an image .*, which needs an encoder; use"):
        make_actor(spec_of((32, 32, 3)), seed=0)
