"""Optimizers, complete from the start: their slots exist before the first step and before a
checkpoint is restored."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.agents.schedules import Schedule, require_learning_rate
from sac_tf.errors import require_number
from sac_tf.pinned.keras_optimizers import AdamW

Optimizer: TypeAlias = tf.keras.optimizers.legacy.Optimizer


@gin.configurable
def adam(
    learning_rate: float | Schedule = 3e-4,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Returns Adam (1412.6980), or AdamW (1711.05101) if `weight_decay` is not 0, with a fixed or
    scheduled rate.

    Keras' legacy class runs it as one fused kernel for each variable.
    """
    require_learning_rate("adam.learning_rate", learning_rate)
    require_number(
        "adam.weight_decay",
        weight_decay,
        lambda decay: 0 <= decay < 1,
        "a number from 0 to below 1",
    )
    if weight_decay:
        return AdamW(weight_decay, learning_rate, beta_1, beta_2, epsilon)
    return tf.keras.optimizers.legacy.Adam(learning_rate, beta_1, beta_2, epsilon)


def with_slots(optimizer: Optimizer, variables: Sequence[tf.Variable]) -> Optimizer:
    """Creates the slots of `optimizer` for `variables` and returns it.

    A step on zero gradients is Keras' public way to make slots: moments of zero stay zero. Weight
    decay is undone.
    """
    before = [tf.identity(variable) for variable in variables]

    def step() -> None:
        optimizer.apply_gradients([(tf.zeros_like(variable), variable) for variable in variables])

    devices.run_once(step)
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    optimizer.iterations.assign(0)
    return optimizer


@gin.configurable
def clip_by_global_norm(
    gradients: list[tf.Tensor], variables: Sequence[tf.Variable], norm: float = 1.0
) -> list[tf.Tensor]:
    """Returns gradients scaled down so that their norm, all taken together, is at most `norm`
    (1211.5063)."""
    del variables
    require_number("clip_by_global_norm.norm", norm, lambda norm: norm > 0, "a number above 0")
    return tf.clip_by_global_norm(gradients, norm)[0]


@gin.configurable
def minimize(
    loss: Callable[[], tuple[tf.Tensor, tf.Tensor]],
    optimizer: Optimizer,
    variables: Sequence[tf.Variable],
    transform: Callable[[list, Sequence[tf.Variable]], list] | None = None,
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Takes one step down the mean of a per-row loss: the one place where rows are averaged, over
    all devices.

    Args:
      loss: returns the loss per row [B], and whatever else the caller wants back.
      optimizer: holds slots for `variables`.
      variables: what to differentiate by. Nothing else is watched, so no other gradient is
        computed.
      transform: f(gradients, variables) -> the gradients to apply: `clip_by_global_norm`, for
        example.

    Returns: {"loss", "gradient_norm"} (scalars; the norm before `transform`), and the second value
      of `loss`.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        rows, extra = loss()
        mean = tf.reduce_mean(rows)
    gradients = devices.average(tape.gradient(mean, variables))
    applied = gradients if transform is None else transform(gradients, variables)
    # Keras would add up what is averaged already.
    keras = {} if devices.replicas() == 1 else {"experimental_aggregate_gradients": False}
    optimizer.apply_gradients(zip(applied, variables, strict=True), **keras)
    return {"loss": mean, "gradient_norm": tf.linalg.global_norm(gradients)}, extra
