"""Losses: numbers worked by hand, two rows and two critics."""

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.sac import losses
from sac_tf.errors import ConfigurationError


def test_soft_value_includes_entropy_and_hard_value_does_not():
    q = tf.constant([1.0, 3.0])
    log_prob = tf.constant([-1.0, 2.0])
    alpha = tf.constant(0.5)
    np.testing.assert_allclose(losses.soft_value(q, log_prob, alpha), [1.0 + 0.5, 3.0 - 1.0])
    np.testing.assert_allclose(losses.hard_value(q, log_prob, alpha), [1.0, 3.0])


def test_td_target_bootstraps_only_where_the_discount_is_1():
    target = losses.td_target(
        tf.constant([1.0, 2.0]), tf.constant([1.0, 0.0]), 0.9, tf.constant([10.0, 10.0])
    )
    np.testing.assert_allclose(target, [1.0 + 9.0, 2.0])


def test_td_target_passes_no_gradient():
    value = tf.Variable([10.0])
    with tf.GradientTape() as tape:
        target = losses.td_target(tf.constant([1.0]), tf.constant([1.0]), 0.9, value)
    assert tape.gradient(target, value) is None


@pytest.mark.parametrize(
    ("reward_range", "expected"), [((-1, 0), [-10, -5, 0, 0]), ((1, 2), [1, 1, 5, 20])]
)
def test_target_is_clipped_to_the_possible_returns(reward_range, expected):
    """Of endless episodes with discount 0.9: 10 times a reward; of one step: the reward itself."""
    reward = tf.constant([-30.0, -5.0, 5.0, 30.0])
    zero = tf.zeros([4])
    target = losses.td_target(reward, zero, 0.9, zero, reward_range=reward_range)
    np.testing.assert_allclose(target, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("reward_range", "gamma", "message"),
    [
        *((given, 0.9, "must be .least, largest., got") for given in ((0, 0), (1, 0), (1,), 3)),
        ((0, 1), 1.0, "bounds no return with train.discount=1"),
    ],
)
def test_range_of_rewards_that_bounds_nothing_is_refused(reward_range, gamma, message):
    zero = tf.zeros([1])
    with pytest.raises(ConfigurationError, match=message):
        losses.td_target(zero, zero, gamma, zero, reward_range=reward_range)


def test_critic_loss_is_half_the_squares_summed_over_critics():
    loss = losses.critic_loss(tf.constant([[1.0, 0.0], [4.0, 3.0]]), tf.constant([2.0, 1.0]))
    np.testing.assert_allclose(loss, [0.5 * (1 + 4), 0.5 * (1 + 4)])


def test_actor_loss():
    loss = losses.actor_loss(tf.constant([-1.0, 2.0]), tf.constant([1.0, 3.0]), tf.constant(0.5))
    np.testing.assert_allclose(loss, [-0.5 - 1.0, 1.0 - 3.0])


@pytest.mark.parametrize(
    ("loss", "expected", "gradient"),
    [
        # log pi + H_target = [-1 - 2, 4 - 2] = [-3, 2]; alpha = 2
        (losses.alpha_loss, [6.0, -4.0], 2.0),
        (losses.log_alpha_loss, [3 * np.log(2), -2 * np.log(2)], 1.0),
    ],
)
def test_alpha_losses(loss, expected, gradient):
    log_alpha = tf.Variable(np.log(2.0), dtype=tf.float32)
    log_prob = tf.Variable([-1.0, 4.0])
    with tf.GradientTape() as tape:
        rows = loss(log_alpha, tf.exp(log_alpha), log_prob, -2.0)
    np.testing.assert_allclose(rows, expected, rtol=1e-6)
    by_log_alpha, by_log_prob = tape.gradient(rows, [log_alpha, log_prob])
    np.testing.assert_allclose(by_log_alpha, gradient, rtol=1e-6)
    assert by_log_prob is None
