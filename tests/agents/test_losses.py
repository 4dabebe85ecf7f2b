"""Numbers worked by hand, two rows and two critics."""

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.sac import losses
from sac_tf.errors import ConfigurationError


def test_soft_value_pays_for_information_and_hard_value_does_not():
    arguments = tf.constant([1.0, 3.0]), tf.constant([-1.0, 2.0]), tf.constant(0.5)
    np.testing.assert_allclose(losses.soft_value(*arguments), [1.0 + 0.5, 3.0 - 1.0])
    np.testing.assert_allclose(losses.hard_value(*arguments), [1.0, 3.0])


def test_pools():
    q, generator = tf.constant([[1.0, 5.0], [2.0, 3.0]]), tf.random.Generator.from_seed(0)
    np.testing.assert_allclose(losses.minimum_q(q, generator), [1.0, 3.0])
    np.testing.assert_allclose(losses.mean_q(q, generator), [1.5, 4.0])


def test_subset_is_drawn_without_replacement_once_for_all_rows():
    q = tf.constant([[1.0, 6.0], [2.0, 5.0], [3.0, 4.0]])
    generator = tf.random.Generator.from_seed(0)
    drawn = [tuple(losses.subset_minimum_q(q, generator, size=2).numpy()) for _ in range(60)]
    # Pairs (0, 1), (0, 2), (1, 2), each a third of the time; with replacement (2, 2) would give (3,
    # 4).
    assert {pair: drawn.count(pair) > 10 for pair in drawn} == {
        (1.0, 5.0): True,
        (1.0, 4.0): True,
        (2.0, 4.0): True,
    }
    np.testing.assert_allclose(losses.subset_minimum_q(q, generator, size=3), [1.0, 4.0])


def test_a_subset_larger_than_the_ensemble_is_refused():
    with pytest.raises(
        ConfigurationError, match=r"subset_minimum_q.size=3 is more than critic.ensemble_size=2\."
    ):
        losses.subset_minimum_q(tf.zeros([2, 4]), tf.random.Generator.from_seed(0), size=3)


def test_td_target_bootstraps_only_where_the_discount_says_so():
    target = losses.td_target(
        tf.constant([1.0, 2.0]), tf.constant([1.0, 0.0]), 0.9, tf.constant([10.0, 10.0])
    )
    np.testing.assert_allclose(target, [1.0 + 9.0, 2.0])


def test_td_target_passes_no_gradient():
    value = tf.Variable([10.0])
    with tf.GradientTape() as tape:
        target = losses.td_target(tf.constant([1.0]), tf.constant([1.0]), 0.9, value)
    assert tape.gradient(target, value) is None


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
    log_alpha, log_prob = tf.Variable(np.log(2.0), dtype=tf.float32), tf.Variable([-1.0, 4.0])
    with tf.GradientTape() as tape:
        rows = loss(log_alpha, tf.exp(log_alpha), log_prob, -2.0)
    np.testing.assert_allclose(rows, expected, rtol=1e-6)
    by_log_alpha, by_log_prob = tape.gradient(rows, [log_alpha, log_prob])
    np.testing.assert_allclose(by_log_alpha, gradient, rtol=1e-6)
    assert by_log_prob is None
