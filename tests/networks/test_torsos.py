"""Torsos, compared with NumPy computations on the same weights."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.networks import torsos
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.layers import EnsembleDense, EnsembleDropout

OBSERVATION = np.float32(np.random.default_rng(0).normal(size=[5, 3]))
ACTION = np.float32(np.random.default_rng(1).uniform(-1, 1, [5, 2]))


def _perturbed(model):
    """Adds noise to every variable, so that no offset is zero."""
    for number, variable in enumerate(model.trainable_variables):
        variable.assign_add(0.3 * tf.random.stateless_normal(variable.shape, [number, 0]))
    return model


def _norm(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def _member(critic, member):
    """Yields the weights of one member, layer by layer."""
    for layer in critic.layers:
        if isinstance(layer, EnsembleDense):
            yield layer.kernels[member].numpy()
            yield layer.biases[member].numpy()
        else:
            yield from (weight[member] for weight in layer.get_weights())


def _dense(x, weights):
    return x @ next(weights) + next(weights)


def _scaled(x, weights):
    return x * next(weights) + next(weights)


@pytest.mark.parametrize("member", [0, 1])
def test_layer_norm_torso_is_dense_norm_activation(spec, member):
    """SERL's order, with tanh."""
    critic = _perturbed(
        make_critic(
            spec, 0, 2, hidden_units=(8, 6), activation="tanh", torso=torsos.layer_norm_torso
        )
    )
    x = np.concatenate([OBSERVATION, ACTION], axis=1)
    weights = _member(critic, member)
    for _ in range(2):
        x = np.tanh(_scaled(_norm(_dense(x, weights)), weights))
    np.testing.assert_allclose(
        critic([OBSERVATION, ACTION])[member], _dense(x, weights)[:, 0], rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("member", [0, 1])
def test_residual_torso_is_dense_then_blocks_then_norm(spec, member):
    critic = _perturbed(make_critic(spec, 0, 2, hidden_units=(6, 6), torso=torsos.residual_torso))
    x = np.concatenate([OBSERVATION, ACTION], axis=1)
    weights = _member(critic, member)
    x = _dense(x, weights)
    for _ in range(2):
        x = x + _dense(np.maximum(_dense(_scaled(_norm(x), weights), weights), 0), weights)
    x = _scaled(_norm(x), weights)
    np.testing.assert_allclose(
        critic([OBSERVATION, ACTION])[member], _dense(x, weights)[:, 0], rtol=1e-3, atol=1e-4
    )
    assert [tuple(v.shape) for v in critic.trainable_variables].count((6, 24)) == 2 * 2


def test_batch_renorm_torso_normalizes_before_every_layer(spec):
    """The inputs and both activations; the moving statistics start at 0 and 1."""
    actor = make_actor(spec, 0, hidden_units=(8, 6), torso=torsos.batch_renorm_torso)
    x = OBSERVATION / np.sqrt(1 + 1e-3)
    weights = iter([w for w in actor.get_weights() if w.ndim and len(w) > 1])
    for _ in range(2):
        x = np.maximum(_dense(x, weights), 0) / np.sqrt(1 + 1e-3)
    loc, log_std = actor([OBSERVATION])
    np.testing.assert_allclose(
        np.concatenate([loc, log_std], axis=1), _dense(x, weights), rtol=1e-4, atol=1e-5
    )
    moving = [
        variable for variable in actor.non_trainable_variables if "moving_mean" in variable.name
    ]
    assert [variable.shape[1] for variable in moving] == [3, 8, 6]
    trained, _ = actor([OBSERVATION], training=True)
    assert np.abs(trained - loc).max() > 0.01
    assert all(np.abs(variable.numpy()).max() > 0 for variable in moving)


def test_droq_torso_drops_in_every_call_before_it_normalizes(spec):
    critic = make_critic(spec, 0, 2, hidden_units=(64,), torso=torsos.droq_torso)
    first, second = (critic([OBSERVATION, ACTION]) for _ in range(2))
    assert np.abs(first - second).max(axis=1).min() > 1e-4
    names = [type(layer).__name__ for layer in critic.layers]
    start = names.index("EnsembleDense")
    order = [
        "EnsembleDense",
        "EnsembleDropout",
        "EnsembleLayerNormalization",
        "Activation",
        "Activation",
    ]
    assert names[start : start + 5] == order


def test_torsos_share_the_initial_weights_of_the_first_layer(spec):
    """Another torso does not change the seed of the first layer."""
    plain, droq = (
        make_critic(spec, 0, 2, hidden_units=(8,), torso=torso)
        for torso in (torsos.mlp_torso, torsos.droq_torso)
    )
    np.testing.assert_array_equal(plain.trainable_variables[0], droq.trainable_variables[0])


def test_dropout_keeps_the_mean_and_drops_at_its_rate():
    layer = EnsembleDropout(rate=0.2, seed=0)
    first, second = (member.numpy() for member in layer([tf.ones([200, 100])] * 2))
    for member in (first, second):
        assert set(np.unique(member)) == {0, np.float32(1.25)}
        assert (member == 0).mean() == pytest.approx(0.2, abs=0.012)  # four standard deviations
    assert (first != second).mean() == pytest.approx(2 * 0.2 * 0.8, abs=0.02)  # separate masks


def test_dropout_is_seeded_and_resumes_from_a_checkpoint(tmp_path):
    x = [tf.ones([4, 50])]
    layers = [EnsembleDropout(0.5, seed) for seed in (1, 1, 2)]
    draws = [layer(x)[0].numpy() for layer in layers]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()
    path = tf.train.Checkpoint(layer=layers[0]).write(str(tmp_path / "layer"))
    tf.train.Checkpoint(layer=layers[2]).read(path).assert_consumed()
    np.testing.assert_array_equal(layers[0](x)[0], layers[2](x)[0])


@pytest.mark.parametrize(
    ("make", "settings", "words"),
    [
        (
            make_critic,
            {"torso": functools.partial(torsos.droq_torso, rate=1.0)},
            "droq_torso.rate must be .* got 1.0",
        ),
        (
            make_critic,
            {"torso": functools.partial(torsos.batch_renorm_torso, momentum=1)},
            "batch_renorm_torso.momentum",
        ),
        (
            make_actor,
            {"torso": functools.partial(torsos.batch_renorm_torso, warm_up=-1)},
            "batch_renorm_torso.warm_up",
        ),
        (
            make_critic,
            {"torso": torsos.residual_torso, "hidden_units": (8, 6)},
            "all equal, got .8, 6.",
        ),
    ],
)
def test_invalid_settings_raise(spec, make, settings, words):
    with pytest.raises(ConfigurationError, match=words):
        make(spec, seed=0, **settings)
