"""The optimizers that TF-Agents' agents take, as the core wants them."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from sac_tf import devices
from sac_tf.agents.optimizers import adam
from sac_tf.errors import ConfigurationError
from sac_tf.pinned.keras_optimizers import to_legacy


def optimizer_factory(name: str, optimizer: Any) -> Callable[[], Any]:
    """Returns a function that gives the optimizer, for `TrainState`.

    Args:
      name: of the argument, for messages.
      optimizer: a Keras optimizer (old or new class), one of tf.compat.v1.train, or None for the
        core's Adam.

    Raises:
      ConfigurationError: none of these.
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
    """An optimizer of tf.compat.v1.train with the two things that the core uses of Keras' class."""

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
        """Takes one step, but for the first call (of each replica), where the core wants slots made
        by zero gradients.

        That call would count as a step in the bias correction of Adam. These optimizers make their
        slots in the first real step, also while it is traced. They always add up the gradients of
        replicas.
        """
        if self._calls_to_skip:
            self._calls_to_skip -= 1
            return
        pairs = list(gradients_and_variables)
        if not experimental_aggregate_gradients:
            pairs = [(gradient / devices.replicas(), variable) for gradient, variable in pairs]
        self._optimizer.apply_gradients(pairs)
        self.iterations.assign_add(1)
