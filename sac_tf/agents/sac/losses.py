"""The losses of Soft Actor-Critic: pure functions of tensors, one value per row.

Nothing here averages, samples or updates; the steps in `sac.py` do. Papers by arXiv number.
"""

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.errors import ConfigurationError, require_count


@gin.configurable
def minimum_q(q: tf.Tensor, generator: tf.random.Generator) -> tf.Tensor:
    """Returns min_i Q_i [B] of Q values [N, B]: clipped double Q (1802.09477)."""
    del generator
    return tf.reduce_min(q, axis=0)


@gin.configurable
def mean_q(q: tf.Tensor, generator: tf.random.Generator) -> tf.Tensor:
    """Returns mean_i Q_i [B] of Q values [N, B] (the actor of 2101.05982)."""
    del generator
    return tf.reduce_mean(q, axis=0)


@gin.configurable
def subset_minimum_q(q: tf.Tensor, generator: tf.random.Generator, size: int = 2) -> tf.Tensor:
    """Returns the minimum [B] over `size` of N critics, drawn once for all rows, without
    replacement (2101.05982)."""
    if require_count("subset_minimum_q.size", size) > q.shape[0]:
        raise ConfigurationError(
            f"subset_minimum_q.size={size} is more than critic.ensemble_size={q.shape[0]}."
        )
    _, chosen = tf.math.top_k(devices.once(lambda: generator.uniform([q.shape[0]])), size)
    return tf.reduce_min(tf.gather(q, chosen), axis=0)


@gin.configurable
def soft_value(next_q: tf.Tensor, next_log_prob: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """V(s') = Q(s', a') - alpha log pi(a'|s') (1812.05905, eq. 3).

    Args:
      next_q: target Q values [B], pooled over the critics, of actions freshly drawn from the
        current policy.
      next_log_prob: log pi of those actions [B].
      alpha: temperature, scalar.

    Returns: [B].
    """
    return next_q - alpha * next_log_prob


@gin.configurable
def hard_value(next_q: tf.Tensor, next_log_prob: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """V(s') = Q(s', a') [B]: no entropy in the backup (RLPD, 2302.02948, and SERL). Arguments as
    for `soft_value`."""
    del next_log_prob, alpha
    return next_q


def td_target(
    reward: tf.Tensor, discount: tf.Tensor, gamma: float, next_value: tf.Tensor
) -> tf.Tensor:
    """y = r + gamma * discount * V(s') [B]; `discount` is 0 where the episode terminated
    (1812.05905, eq. 2)."""
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
    """J_pi = alpha log pi(a|s) - Q(s, a), a reparameterised (1812.05905, eq. 9).

    Args:
      log_prob: [B].
      q: Q values [B] of the same actions, pooled over the critics.
      alpha: temperature, scalar.

    Returns: [B].
    """
    return alpha * log_prob - q


@gin.configurable
def alpha_loss(
    parameter: tf.Tensor, alpha: tf.Tensor, log_prob: tf.Tensor, target_entropy: float
) -> tf.Tensor:
    """J_alpha = -alpha (log pi + H_target), the gradient flowing on into the parameter (1812.05905,
    eq. 18).

    Args:
      parameter: of the temperature, scalar; see `Temperature`, of whose dual problem this is the
        objective.
      alpha: the temperature, scalar, a function of `parameter`.
      log_prob: [B], treated as a constant.
      target_entropy: H_target, usually -A.

    Returns: [B].
    """
    del parameter
    return -alpha * tf.stop_gradient(log_prob + target_entropy)


@gin.configurable
def log_alpha_loss(
    parameter: tf.Tensor, alpha: tf.Tensor, log_prob: tf.Tensor, target_entropy: float
) -> tf.Tensor:
    """J = -x (log pi + H_target), x the parameter: the authors' later code, whose step size does
    not shrink with alpha.

    With the exponential parametrization, x is log alpha. Arguments and result as for `alpha_loss`.
    """
    del alpha
    return -parameter * tf.stop_gradient(log_prob + target_entropy)
