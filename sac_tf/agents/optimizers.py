"""Optimizers, complete from the start: their slots exist before the first step and before a checkpoint is restored."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import gin
import tensorflow as tf

from sac_tf.errors import require_number

Optimizer: TypeAlias = tf.keras.optimizers.legacy.Optimizer


@gin.register
def adam(learning_rate: float = 3e-4, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8) -> Optimizer:
    """Returns Adam (1412.6980). Keras' legacy class runs it as one fused kernel for each variable."""
    require_number("adam.learning_rate", learning_rate, lambda rate: rate > 0, "a number above 0")
    return tf.keras.optimizers.legacy.Adam(learning_rate, beta_1, beta_2, epsilon)


def with_slots(optimizer: Optimizer, variables: Sequence[tf.Variable]) -> Optimizer:
    """Creates the slots of `optimizer` for `variables` and returns it.

    A step on zero gradients moves nothing (moments of zero stay zero) and is Keras' public way to make slots.
    """
    optimizer.apply_gradients([(tf.zeros_like(variable), variable) for variable in variables])
    optimizer.iterations.assign(0)
    return optimizer


def minimize(
    loss: Callable[[], tuple[tf.Tensor, tf.Tensor]],
    optimizer: Optimizer,
    variables: Sequence[tf.Variable],
    transform: Callable[[list, Sequence[tf.Variable]], list] | None = None,
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Takes one step down the mean of a per-row loss: the one place where rows are averaged.

    Args:
      loss: returns the loss per row [B], and whatever else the caller wants back.
      optimizer: holds slots for `variables`.
      variables: what to differentiate by. Nothing else is watched, so no other gradient is computed.
      transform: f(gradients, variables) -> the gradients to apply (clipped, say).

    Returns: {"loss", "gradient_norm"} (scalars), and the second value of `loss`.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        rows, extra = loss()
        mean = tf.reduce_mean(rows)
    gradients = tape.gradient(mean, variables)
    if transform is not None:
        gradients = transform(gradients, variables)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return {"loss": mean, "gradient_norm": tf.linalg.global_norm(gradients)}, extra
