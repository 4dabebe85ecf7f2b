"""Networks with weights of a fixed norm, compared with NumPy computations on the same weights."""

import functools
import math
import re

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.networks import hyperspherical, norms, outputs
from sac_tf.networks.actor import make_actor
from sac_tf.networks.batch_norm_torsos import batch_norm_residual_torso, batch_norm_torso
from sac_tf.networks.critic import make_critic
from sac_tf.networks.heads import unit_norm_std
from sac_tf.networks.layers import only_members
from sac_tf.networks.normalization import EnsembleBatchNormalization, EnsembleRmsNormalization

OBSERVATION = np.float32(np.random.default_rng(0).normal(size=[5, 3]))
ACTION = np.float32(np.random.default_rng(1).uniform(-1, 1, [5, 2]))
JOINED = np.concatenate([OBSERVATION, ACTION], axis=1)


def test_fixed_norm_by_hand():
    weights = tf.constant([[3.0, 0.0], [4.0, 2.0]])
    np.testing.assert_allclose(norms.fixed_norm([0])(weights), [[0.6, 0.0], [0.8, 1.0]], rtol=1e-6)
    rows = norms.fixed_norm([1], norm=10.0)(weights)
    np.testing.assert_allclose(rows, [[10.0, 0.0], [20 / 5**0.5, 10 / 5**0.5]], rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 8), (8, 3)])
def test_initial_columns_have_norm_1_and_rows_are_orthogonal(shape):
    kernel = norms.UnitNormOrthogonal(seed=1)(shape).numpy()
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), 1, rtol=1e-5)
    if shape == (8, 3):
        np.testing.assert_allclose(kernel.T @ kernel, np.eye(3), atol=1e-5)


def _inputs(seed):
    generator = np.random.default_rng(seed)
    return [np.float32(generator.normal(member, 2 + member, [6, 4])) for member in range(2)]


def test_batch_normalization_against_numpy():
    """Outputs and moving statistics of two members, in training and in acting."""
    layer = EnsembleBatchNormalization(momentum=0.9, epsilon=1e-3)
    layer(_inputs(0))
    gamma = np.random.default_rng(2).normal(size=[2, 4])
    beta = np.random.default_rng(3).normal(size=[2, 4])
    layer.gamma_and_beta.assign(np.stack([gamma, beta], axis=1))
    mean = np.zeros([2, 4])
    variance = np.ones([2, 4])
    for seed in range(3):
        found = layer(_inputs(seed), training=True)
        for i, x in enumerate(_inputs(seed)):
            expected = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3) * gamma[i] + beta[i]
            np.testing.assert_allclose(found[i], expected, rtol=1e-4, atol=1e-5)
            mean[i] = 0.9 * mean[i] + 0.1 * x.mean(0)
            variance[i] = 0.9 * variance[i] + 0.1 * x.var(0)
        np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-4)
    expected = [
        (x - mean[i]) / np.sqrt(variance[i] + 1e-3) * gamma[i] + beta[i]
        for i, x in enumerate(_inputs(5))
    ]
    np.testing.assert_allclose(layer(_inputs(5)), expected, rtol=1e-4, atol=1e-5)
    with only_members(tf.constant([1])):
        chosen = layer([_inputs(5)[1]] * 2)
    np.testing.assert_allclose(chosen[0], expected[1], rtol=1e-4, atol=1e-5)


def test_root_mean_square_normalization_by_hand():
    layer = EnsembleRmsNormalization(epsilon=0.0)
    inputs = [tf.constant([[3.0, 4.0]]), tf.constant([[0.0, 2.0]])]
    layer(inputs)
    layer.gamma.assign([[1, 1], [1, 3]])
    first, second = layer(inputs)
    np.testing.assert_allclose(first, [[3 / 12.5**0.5, 4 / 12.5**0.5]], rtol=1e-6)
    np.testing.assert_allclose(second, [[0, 3 * 2**0.5]], rtol=1e-6)


def _weights_of(model, member):
    """Yields the weights of a member that are trained, layer by layer, as float64."""
    for layer in model.layers:
        if isinstance(layer, EnsembleBatchNormalization):
            yield from np.float64(layer.gamma_and_beta[member])
        elif hasattr(layer, "kernels"):
            yield np.float64(layer.kernels[member])
            if layer.biases:
                yield np.float64(layer.biases[member])
        else:
            yield from (np.float64(weight)[member] for weight in layer.trainable_variables)


def _perturbed(model):
    for number, variable in enumerate(model.trainable_variables):
        variable.assign_add(0.3 * tf.random.stateless_normal(variable.shape, [number, 0]))
    return model


def _batch_norm(x, weights, epsilon):
    return (x - x.mean(0)) / np.sqrt(x.var(0) + epsilon) * next(weights) + next(weights)


def _sphere(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.mark.parametrize("member", [0, 1])
def test_torso_of_xqc(spec, member):
    critic = _perturbed(
        make_critic(spec, 0, 2, (8, 6), torso=batch_norm_torso, output=outputs.unit_norm_output)
    )
    weights = _weights_of(critic, member)
    x = _batch_norm(JOINED, weights, 1e-3)
    for _ in range(2):
        x = np.maximum(_batch_norm(x @ next(weights), weights, 1e-3), 0)
    expected = x @ next(weights) + next(weights)
    found = critic([OBSERVATION, ACTION], training=True)[member]
    np.testing.assert_allclose(found, expected[:, 0], rtol=1e-3, atol=1e-4)
    assert next(weights, None) is None


@pytest.mark.parametrize("member", [0, 1])
def test_torso_of_flashsac(spec, member):
    critic = _perturbed(make_critic(spec, 0, 2, (8, 8), torso=batch_norm_residual_torso))
    weights = _weights_of(critic, member)
    x = _batch_norm(JOINED, weights, 1e-5) @ next(weights)
    for _ in range(2):
        inner = np.maximum(_batch_norm(x @ next(weights), weights, 1e-5), 0)
        assert inner.shape == (5, 32)
        x = x + np.maximum(_batch_norm(inner @ next(weights), weights, 1e-5), 0)
    x = x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6) * next(weights)
    expected = x @ next(weights) + next(weights)
    found = critic([OBSERVATION, ACTION], training=True)[member]
    np.testing.assert_allclose(found, expected[:, 0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("member", [0, 1])
def test_network_of_simbav2(spec, member):
    """A learned scale s acts as s * initial / stored."""
    critic = _perturbed(
        make_critic(
            spec,
            0,
            2,
            (8, 8),
            torso=hyperspherical.hyperspherical_torso,
            output=hyperspherical.hyperspherical_output,
        )
    )
    weights = _weights_of(critic, member)
    x = _sphere(np.concatenate([JOINED, np.full([5, 1], 3.0)], axis=1))
    x = _sphere(x @ next(weights) * next(weights))
    for _ in range(2):
        inner = np.maximum(x @ next(weights) * next(weights), 0)
        assert inner.shape == (5, 32)
        inner = _sphere(inner @ next(weights))
        x = _sphere(x + next(weights) * (math.sqrt(8) / 3) * (inner - x))
    x = x @ next(weights) * next(weights)
    expected = x @ next(weights) + next(weights)
    found = critic([OBSERVATION, ACTION])[member]
    np.testing.assert_allclose(found, expected[:, 0], rtol=1e-3, atol=1e-4)


_unit_norm_critic = functools.partial(make_critic, output=outputs.unit_norm_output)


@pytest.mark.parametrize(
    ("make", "free"),
    [
        (
            functools.partial(_unit_norm_critic, torso=batch_norm_torso),
            {"bias", "gamma_and_beta"},
        ),
        (functools.partial(_unit_norm_critic, torso=batch_norm_residual_torso), {"bias"}),
        (
            functools.partial(
                make_critic,
                torso=hyperspherical.hyperspherical_torso,
                output=hyperspherical.hyperspherical_output,
            ),
            {"bias", "scale"},
        ),
        (
            functools.partial(make_actor, torso=batch_norm_residual_torso, heads=unit_norm_std),
            {"bias"},
        ),
        (
            functools.partial(
                make_actor,
                torso=hyperspherical.hyperspherical_torso,
                heads=hyperspherical.hyperspherical_std,
            ),
            {"bias", "scale"},
        ),
    ],
)
def test_norms_hold_at_the_start_and_after_a_step(spec, make, free):
    """Kernels: 1 for each column. Scale and offset of FlashSAC: the root of their number."""
    network = make(spec, 0, hidden_units=(8, 8))
    variables = network.trainable_variables
    kinds = {v.ref(): re.search(r"/(\D+?)(_\d)?:0", v.name)[1] for v in variables}
    assert {kinds[v.ref()] for v in variables if v.constraint is None} == free

    def check():
        for variable in variables:
            if variable.constraint is None:
                continue
            if kinds[variable.ref()] == "kernel":
                norms_found = np.linalg.norm(variable, axis=0)
                expected = 1.0
            else:
                axes = tuple(range(1, variable.shape.rank))
                norms_found = np.sqrt(np.sum(np.square(variable), axis=axes))
                expected = math.sqrt(variable.shape[-1])
            np.testing.assert_allclose(norms_found, expected, rtol=1e-5)

    check()
    before = [variable.numpy() for variable in variables]
    gradients = [tf.random.stateless_normal(variable.shape, [3, 4]) for variable in variables]
    optimizer = tf.keras.optimizers.legacy.Adam(0.1)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    check()
    assert all((old != new.numpy()).any() for old, new in zip(before, variables, strict=True))
