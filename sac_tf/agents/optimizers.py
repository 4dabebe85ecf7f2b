"""Optimizers whose slots exist before the first step, and so before a checkpoint is restored."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.agents.schedules import Schedule, require_learning_rate
from sac_tf.errors import POSITIVE, require_number
from sac_tf.pinned.gin_registry import InScope
from sac_tf.pinned.keras_optimizers import AdamW
from sac_tf.types import Metrics

Optimizer: TypeAlias = tf.keras.optimizers.legacy.Optimizer

RowLosses = Callable[[], tuple[tf.Tensor, tf.Tensor]]
"""f() -> losses [B], and a second value for the caller."""


class Minimize(Protocol):
    """Takes one step on the mean of a per-row loss, as `minimize` does."""

    def __call__(
        self, loss: RowLosses, optimizer: Optimizer, variables: Sequence[tf.Variable]
    ) -> tuple[Metrics, tf.Tensor]: ...


@gin.configurable
def adam(
    learning_rate: float | Schedule = 3e-4,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    global_clipnorm: float | None = None,
) -> Optimizer:
    """Returns Adam (1412.6980), or AdamW (1711.05101) if `weight_decay` is not 0.

    Keras' legacy class runs Adam as one fused kernel for each variable.

    Args:
      learning_rate: a number, or a schedule of `agents.schedules`.
      beta_1: decay rate of the first moment.
      beta_2: decay rate of the second moment.
      epsilon: added to the root of the second moment.
      weight_decay: decoupled decay, multiplied by the learning rate at each step.
      global_clipnorm: largest norm of all gradients together (1211.5063); None does not clip.

    Raises:
      ConfigurationError: a number out of range.
    """
    require_learning_rate("adam.learning_rate", learning_rate)
    below_one = (lambda decay: 0 <= decay < 1, "a number from 0 to below 1")
    require_number("adam.weight_decay", weight_decay, *below_one)
    require_number("adam.beta_1", beta_1, *below_one)
    require_number("adam.beta_2", beta_2, *below_one)
    require_number("adam.epsilon", epsilon, *POSITIVE)
    settings: dict[str, Any] = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    if global_clipnorm is not None:
        positive = (lambda norm: norm > 0, "a number above 0 or None")
        settings["global_clipnorm"] = require_number(
            "adam.global_clipnorm", global_clipnorm, *positive
        )
    if weight_decay:
        return AdamW(weight_decay, learning_rate, **settings)
    return tf.keras.optimizers.legacy.Adam(learning_rate, **settings)


actor_adam = InScope("actor", adam)
critic_adam = InScope("critic", adam)
alpha_adam = InScope("alpha", adam)
classifier_adam = InScope("classifier", adam)


def with_slots(optimizer: Optimizer, variables: Sequence[tf.Variable]) -> Optimizer:
    """Creates the slots of `optimizer` for `variables` and returns it.

    A step on zero gradients is Keras' public way to create slots: moments of zero stay zero. The
    weight decay of that step is undone.
    """
    before = [tf.identity(variable) for variable in variables]

    def step() -> None:
        optimizer.apply_gradients([(tf.zeros_like(variable), variable) for variable in variables])

    devices.run_once(step)
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    optimizer.iterations.assign(0)
    return optimizer


def minimize(
    loss: RowLosses,
    optimizer: Optimizer,
    variables: Sequence[tf.Variable],
    transform: Callable[[list, Sequence[tf.Variable]], list] | None = None,
) -> tuple[Metrics, tf.Tensor]:
    """Takes one step on the mean of a per-row loss: the only place where rows are averaged.

    Args:
      loss: f() returns the loss per row [B], and a second value for the caller.
      optimizer: holds slots for `variables`.
      variables: differentiated by and changed. Nothing else is watched, so no other gradient is
        computed.
      transform: f(gradients, variables) returns the gradients to apply; None applies them as they
        are.

    Returns: {"loss", "gradient_norm"} (scalars; the norm before clipping), and the second value of
      `loss`.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        row_losses, extra = loss()
        mean = tf.reduce_mean(row_losses)
    gradients = devices.average(tape.gradient(mean, variables))
    applied = gradients
    if transform is not None:
        applied = transform(gradients, variables)
    pairs = zip(applied, variables, strict=True)
    if devices.replicas() == 1:
        optimizer.apply_gradients(pairs)
    else:  # the gradients are averaged already; Keras would sum them
        optimizer.apply_gradients(pairs, experimental_aggregate_gradients=False)
    return {"loss": mean, "gradient_norm": tf.linalg.global_norm(gradients)}, extra


def prefixed(prefix: str, metrics: Metrics) -> Metrics:
    """Returns the metrics of `minimize` by names that say what was trained."""
    return {f"{prefix}_{name}": value for name, value in metrics.items()}
