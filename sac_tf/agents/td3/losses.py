"""The losses of TD3 (1802.09477): pure functions of tensors, one value per row. The TD target and
the loss of the critics are those of `agents.sac.losses`."""

from typing import Protocol

import tensorflow as tf


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


def smoothed_action(action: tf.Tensor, noise: tf.Tensor, limit: float) -> tf.Tensor:
    """Target policy smoothing: clip(a + clip(noise, -limit, limit), -1, 1) (1802.09477, eq. 14).

    Args:
      action: of the target policy, [B, A].
      noise: [B, A].
      limit: largest absolute value of the noise.

    Returns: [B, A].
    """
    return tf.clip_by_value(action + tf.clip_by_value(noise, -limit, limit), -1.0, 1.0)
