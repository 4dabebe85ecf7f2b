"""Converts the optimizers that TF-Agents' agents take into optimizers of the core."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from sac_tf import devices
from sac_tf.agents.optimizers import adam
from sac_tf.errors import ConfigurationError
from sac_tf.pinned.keras_optimizers import to_legacy


def optimizer_factory(name: str, optimizer: Any) -> Callable[[], Any]:
    """Returns a function without arguments that returns the optimizer, as `SacState` takes it.

    Args:
      name: of the argument, for messages.
      optimizer: a Keras optimizer (legacy or current class), a tf.compat.v1.train optimizer, or
        None for the core's Adam.

    Raises:
      ConfigurationError: anything else.
    """
    if optimizer is None:
        return adam
    if isinstance(optimizer, tf.keras.optimizers.legacy.Optimizer):
        return lambda: optimizer
    if isinstance(optimizer, tf.keras.optimizers.Optimizer):
        return lambda: to_legacy(optimizer)
    if isinstance(optimizer, tf.compat.v1.train.Optimizer):
        return lambda: Version1Optimizer(optimizer)
    raise ConfigurationError(
        f"{name} must be an optimizer such as tf.keras.optimizers.Adam(3e-4), got {optimizer!r}."
    )


class Version1Optimizer(tf.Module):
    """A tf.compat.v1.train optimizer with the two members of Keras' class that the core uses."""

    def __init__(self, optimizer: tf.compat.v1.train.Optimizer):
        super().__init__(name="version_1_optimizer")
        self._optimizer = optimizer
        self._calls_to_skip = tf.distribute.get_strategy().num_replicas_in_sync
        self.iterations = tf.Variable(0, dtype=tf.int64, trainable=False, name="iterations")

    def apply_gradients(
        self,
        gradients_and_variables: Sequence[tuple[tf.Tensor, tf.Variable]],
        experimental_aggregate_gradients: bool = True,
    ) -> None:
        """Applies gradients; the first call per replica only creates slots and is skipped.

        The core creates slots with a step on zero gradients, which would count in Adam's bias
        correction. These optimizers create their slots in the first real step, even while it is
        traced.
        """
        if self._calls_to_skip:
            self._calls_to_skip -= 1
            return
        pairs = list(gradients_and_variables)
        if not experimental_aggregate_gradients:
            # These optimizers always sum the gradients of replicas.
            pairs = [(gradient / devices.replicas(), variable) for gradient, variable in pairs]
        self._optimizer.apply_gradients(pairs)
        self.iterations.assign_add(1)
