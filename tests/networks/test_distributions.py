import numpy as np
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.networks.distributions import (
    SquashedGaussian,
    clamp_log_std,
    rescale_log_std,
    squashed_gaussian,
)


def _float64_log_prob(noise, log_std):
    """log N(noise) - log std - log(1 - tanh(u)^2), the last term as 2 (log 2 - u - softplus(-2 u)),
    in float64."""
    noise = np.float64(noise)
    log_std = np.float64(log_std)
    return lambda u: np.sum(
        -0.5 * noise**2
        - 0.5 * np.log(2 * np.pi)
        - log_std
        - 2 * (np.log(2) - u - np.logaddexp(0, -2 * u)),
        axis=-1,
    )


@pytest.mark.parametrize("loc", [0.0, -1.5, 8.0, -30.0])
@pytest.mark.parametrize("log_std", [-20.0, -3.0, 0.0, 2.0])
def test_log_prob_of_samples_is_exact_where_tanh_saturates(loc, log_std):
    policy = SquashedGaussian(tf.fill([64, 2], loc), tf.fill([64, 2], log_std))
    seed = tf.constant([1, 2])
    action, log_prob = policy.sample_action(seed)
    noise = policy.distribution.sample(seed=seed).numpy()
    u = loc + np.exp(log_std) * np.float64(noise)
    np.testing.assert_allclose(action, np.tanh(u), atol=1e-6)
    np.testing.assert_allclose(log_prob, _float64_log_prob(noise, log_std)(u), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("loc", "log_std"), [(0.0, -1.0), (0.4, -0.7), (-1.0, -0.5)])
def test_density_integrates_to_one(loc, log_std):
    edges = np.linspace(-1, 1, 400_001)
    middles = ((edges[1:] + edges[:-1]) / 2).astype(np.float32)[:, None]
    policy = SquashedGaussian(tf.fill(middles.shape, loc), tf.fill(middles.shape, log_std))
    density = np.exp(policy.log_prob_of_action(middles).numpy().astype(np.float64))
    assert np.sum(density) * (edges[1] - edges[0]) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("loc", [-40.0, 0.0, 40.0])
@pytest.mark.parametrize("log_std", [-25.0, 0.0, 5.0])
def test_gradients_are_finite_everywhere(loc, log_std):
    locs = tf.fill([8, 1], loc)
    log_stds = tf.fill([8, 1], log_std)
    with tf.GradientTape() as tape:
        tape.watch([locs, log_stds])
        policy = squashed_gaussian(locs, log_stds)
        action, log_prob = policy.sample_action(tf.constant([3, 4]))
        edge = policy.log_prob_of_action(tf.ones([8, 1]))
        total = tf.reduce_sum(action) + tf.reduce_sum(log_prob) + 1e-30 * tf.reduce_sum(edge)
    for gradient in tape.gradient(total, [locs, log_stds]):
        assert np.isfinite(gradient).all()


def test_log_std_is_clamped():
    def log_prob(log_std):
        policy = squashed_gaussian(tf.zeros([1, 1]), tf.fill([1, 1], log_std))
        return policy.sample_action(tf.constant([5, 6]))[1]

    assert log_prob(9.0) == log_prob(2.0) != log_prob(1.9)
    assert log_prob(-50.0) == log_prob(-20.0) != log_prob(-19.0)


@pytest.mark.parametrize(
    ("bound", "expected", "slope"),
    [
        # At -1000, 0 and 1000. The midpoint of [-5, 2] is -1.5, and tanh'(0) = 1 is scaled by 3.5.
        (rescale_log_std, [-5.0, -1.5, 2.0], 3.5),
        (clamp_log_std, [-20.0, 0.0, 2.0], 1.0),
    ],
)
def test_bounds_of_log_std(bound, expected, slope):
    log_std = tf.constant([-1000.0, 0.0, 1000.0])
    with tf.GradientTape() as tape:
        tape.watch(log_std)
        bounded = bound(log_std)
    np.testing.assert_allclose(bounded, expected, rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(bounded, log_std), [0, slope, 0])


def test_policy_uses_the_given_bound():
    policy = squashed_gaussian(tf.zeros([1, 1]), tf.zeros([1, 1]), bound=rescale_log_std)
    assert policy.parameters["log_std"].numpy().tolist() == [[-1.5]]


@pytest.mark.parametrize("bound", [clamp_log_std, rescale_log_std])
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"minimum": 2.0}, ".minimum=2.0 must be below .*.maximum=2.0"),
        ({"maximum": float("inf")}, ".maximum must be a finite number, got inf"),
    ],
)
def test_invalid_bounds_raise(bound, settings, words):
    with pytest.raises(ConfigurationError, match=bound.__name__ + words):
        bound(tf.zeros([1]), **settings)


def test_mean_action_is_tanh_of_loc():
    loc = tf.constant([[-2.0, 0.0, 0.5]])
    np.testing.assert_allclose(
        SquashedGaussian(loc, tf.zeros_like(loc)).mean_action(), np.tanh([[-2.0, 0.0, 0.5]])
    )
