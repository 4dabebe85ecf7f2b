"""The losses of Soft Actor-Critic: pure functions of tensors, one value per row.

Nothing here averages, samples or updates; the steps in `sac.py` do. Papers by arXiv number.
"""

import gin
import tensorflow as tf


def soft_value(next_q: tf.Tensor, next_log_prob: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """V(s') = min_i Q_i(s', a') - alpha log pi(a'|s') (1812.05905, eq. 3, with clipped double Q).

    Args:
      next_q: target Q values [N, B] of actions freshly drawn from the current policy.
      next_log_prob: log pi of those actions [B].
      alpha: temperature, scalar.

    Returns: [B].
    """
    return tf.reduce_min(next_q, axis=0) - alpha * next_log_prob


def td_target(reward: tf.Tensor, discount: tf.Tensor, gamma: float, next_value: tf.Tensor) -> tf.Tensor:
    """y = r + gamma * discount * V(s') [B]; `discount` is 0 where the episode terminated (1812.05905, eq. 2)."""
    return tf.stop_gradient(reward + gamma * discount * next_value)


def critic_loss(q: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """J_Q = sum_i (Q_i(s, a) - y)^2 / 2 (1812.05905, eq. 5, summed over the ensemble).

    Args:
      q: Q values [N, B] of the actions taken.
      target: y [B].

    Returns: [B].
    """
    return 0.5 * tf.reduce_sum(tf.square(q - target[tf.newaxis]), axis=0)


def actor_loss(log_prob: tf.Tensor, q: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """J_pi = alpha log pi(a|s) - min_i Q_i(s, a), a reparameterised (1812.05905, eq. 9).

    Args:
      log_prob: [B].
      q: Q values [N, B] of the same actions.
      alpha: temperature, scalar.

    Returns: [B].
    """
    return alpha * log_prob - tf.reduce_min(q, axis=0)


@gin.register
def alpha_loss(log_alpha: tf.Tensor, log_prob: tf.Tensor, target_entropy: float) -> tf.Tensor:
    """J_alpha = -alpha (log pi + H_target), the gradient flowing through exp (1812.05905, eq. 18).

    Args:
      log_alpha: scalar parameter.
      log_prob: [B], treated as a constant.
      target_entropy: H_target, usually -A.

    Returns: [B].
    """
    return -tf.exp(log_alpha) * tf.stop_gradient(log_prob + target_entropy)


@gin.register
def log_alpha_loss(log_alpha: tf.Tensor, log_prob: tf.Tensor, target_entropy: float) -> tf.Tensor:
    """J = -log(alpha) (log pi + H_target): the authors' later code, whose step size does not shrink with alpha.

    Arguments and result as for `alpha_loss`.
    """
    return -log_alpha * tf.stop_gradient(log_prob + target_entropy)
