"""The losses of the classifier of VICE, pure functions that return one value per row."""

import functools
from collections.abc import Callable

import tensorflow as tf


def mixed_losses(
    head: Callable[[tf.Tensor], tf.Tensor],
    features: tf.Tensor,
    labels: tf.Tensor,
    share: tf.Tensor,
    order: tf.Tensor,
) -> tf.Tensor:
    """Returns the cross entropy [B] of examples that are mixed with each other (mixup, 1710.09412).

    Args:
      head: features [B, F] -> logit [B].
      features: [B, F]; those of all cameras together, so that they are mixed alike.
      labels: [B], probabilities.
      share: lambda, scalar in [0, 1].
      order: a permutation of the rows, int32 [B].
    """
    logits = head(share * features + (1 - share) * tf.gather(features, order))
    entropy = functools.partial(tf.nn.sigmoid_cross_entropy_with_logits, logits=logits)
    others = entropy(labels=tf.gather(labels, order))
    return share * entropy(labels=labels) + (1 - share) * others


def gradient_penalty(
    head: Callable[[tf.Tensor], tf.Tensor], features: tf.Tensor, epsilon: float = 1e-12
) -> tf.Tensor:
    """Returns (|d logit / d features| - 1)^2 [B] (1704.00028, equation 3).

    Args:
      head: features [B, F] -> logit [B].
      features: [B, F], between goals and other observations; without a gradient.
      epsilon: added to the squared norm, whose root has no derivative at 0.
    """
    features = tf.stop_gradient(features)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(features)
        logits = head(features)
    gradient = tape.gradient(logits, features)
    norm = tf.sqrt(tf.reduce_sum(gradient**2, axis=-1) + epsilon)
    return (norm - 1) ** 2
