"""The losses of TD3 (1802.09477): pure functions of tensors, one value per row. The TD target and
the loss of the critics are those of `agents.sac.losses`."""

from typing import Protocol

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.errors import NOT_NEGATIVE, require_number


class ActorLoss(Protocol):
    """Q values [B] of the policy's actions [B, A], and the actions of the batch [B, A] -> loss of
    each row [B]."""

    def __call__(self, q: tf.Tensor, action: tf.Tensor, taken: tf.Tensor) -> tf.Tensor: ...


def actor_loss(q: tf.Tensor, action: tf.Tensor, taken: tf.Tensor) -> tf.Tensor:
    """J_pi = -Q(s, pi(s)) [B]: the deterministic policy gradient (1802.09477, eq. 3).

    Args:
      q: Q values [B] of `action`.
      action: pi(s) [B, A].
      taken: unused.
    """
    del action, taken
    return -q


@gin.configurable
def td3_bc_loss(q: tf.Tensor, action: tf.Tensor, taken: tf.Tensor, alpha: float = 2.5) -> tf.Tensor:
    """-alpha Q(s, pi(s)) / mean |Q| + |pi(s) - a|^2 / A [B]: TD3 + BC (2106.06860, eq. 5), for
    stored data.

    Args:
      q: Q values [B] of `action`; the mean of their absolute values is a constant.
      action: pi(s) [B, A].
      taken: actions in the data [B, A].
      alpha: weight of Q; 0 is behavior cloning.

    Raises:
      ConfigurationError: `alpha` is out of range.
    """
    require_number("td3_bc_loss.alpha", alpha, *NOT_NEGATIVE)
    size = devices.average(tf.reduce_mean(tf.abs(tf.stop_gradient(q))))
    return -alpha * q / size + tf.reduce_mean(tf.square(action - taken), axis=1)


def smoothed_action(action: tf.Tensor, noise: tf.Tensor, limit: float) -> tf.Tensor:
    """Target policy smoothing: clip(a + clip(noise, -limit, limit), -1, 1) (1802.09477, eq. 14).

    Args:
      action: of the target policy, [B, A].
      noise: [B, A].
      limit: largest absolute value of the noise.

    Returns: [B, A].
    """
    return tf.clip_by_value(action + tf.clip_by_value(noise, -limit, limit), -1.0, 1.0)
