"""The losses of Soft Actor-Critic: pure functions of tensors, one value per row.

Nothing here averages, samples or updates; the steps in `steps.py` do. Papers by arXiv number.
"""

from collections.abc import Sequence
from typing import Protocol

import gin
import tensorflow as tf

from sac_tf.errors import ConfigurationError


class Value(Protocol):
    """Pooled Q values [B], log pi [B] and the temperature (scalar) -> V(s') [B]."""

    def __call__(
        self, next_q: tf.Tensor, next_log_prob: tf.Tensor, alpha: tf.Tensor
    ) -> tf.Tensor: ...


class Target(Protocol):
    """Rewards [B], discounts [B], gamma (scalar) and V(s') [B] -> TD target [B]."""

    def __call__(
        self, reward: tf.Tensor, discount: tf.Tensor, gamma: float, next_value: tf.Tensor
    ) -> tf.Tensor: ...


class CriticLoss(Protocol):
    """Q values [N, B] and their target [B] -> loss of each row [B]."""

    def __call__(self, q: tf.Tensor, target: tf.Tensor) -> tf.Tensor: ...


class AlphaLoss(Protocol):
    """The parameter of the temperature (scalar), the temperature (scalar), log pi [B] and H_target
    -> loss of each row [B]."""

    def __call__(
        self, parameter: tf.Tensor, alpha: tf.Tensor, log_prob: tf.Tensor, target_entropy: float
    ) -> tf.Tensor: ...


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


@gin.configurable
def td_target(
    reward: tf.Tensor,
    discount: tf.Tensor,
    gamma: float,
    next_value: tf.Tensor,
    reward_range: Sequence[float] | None = None,
) -> tf.Tensor:
    """y = r + gamma * discount * V(s'), without a gradient (1812.05905, eq. 2).

    Args:
      reward: [B].
      discount: [B], 0 where the episode terminated.
      gamma: of a step, scalar.
      next_value: V(s') [B].
      reward_range: (least, largest) reward of a step, after scaling: y is clipped to the returns
        that are possible with them (1802.09464); None clips nothing.

    Returns: [B].

    Raises:
      ConfigurationError: `reward_range` is not a range, or gamma is 1.
    """
    target = reward + gamma * discount * next_value
    if reward_range is not None:
        target = tf.clip_by_value(target, *_possible_returns(reward_range, gamma))
    return tf.stop_gradient(target)


def _possible_returns(reward_range: Sequence[float], gamma: float) -> tuple[float, float]:
    """Returns the least and the largest discounted return of an episode that may end at any step,
    or never."""
    is_pair = isinstance(reward_range, list | tuple) and len(reward_range) == 2
    if not is_pair or not reward_range[0] < reward_range[1]:
        raise ConfigurationError(
            f"td_target.reward_range must be (least, largest), got {reward_range!r}."
        )
    if gamma == 1:
        raise ConfigurationError(
            "td_target.reward_range bounds no return with train.discount=1; leave it out."
        )
    least, largest = reward_range
    return min(least, least / (1 - gamma)), max(largest, largest / (1 - gamma))


def critic_loss(q: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """J_Q = sum_i (Q_i(s, a) - y)^2 / 2 (1812.05905, eq. 5, summed over the ensemble).

    Args:
      q: Q values [N, B] of the actions taken.
      target: y [B].

    Returns: [B].
    """
    return 0.5 * tf.reduce_sum(tf.square(q - target[tf.newaxis]), axis=0)


def actor_loss(log_prob: tf.Tensor, q: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """J_pi = alpha log pi(a|s) - Q(s, a), a reparameterized (1812.05905, eq. 9).

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
    """J_alpha = -alpha (log pi + H_target), the dual objective of `Temperature` (1812.05905,
    eq. 18). Its gradient flows through alpha into the parameter.

    Args:
      parameter: of the temperature, scalar.
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
    """J = -x (log pi + H_target), x the parameter, as in the authors' later code: the step size
    does not shrink with alpha.

    With the exponential parametrization, x is log alpha. Arguments and result as for `alpha_loss`.
    """
    del alpha
    return -parameter * tf.stop_gradient(log_prob + target_entropy)
