"""Trainable: a model with its optimizer, and its target network if it has one."""

from typing import Any

import tensorflow as tf

from sac_tf.agents.optimizers import Optimizer, with_slots


class Trainable(tf.Module):
    """What one optimizer trains.

    Args:
      model: a Keras model, a policy, or anything else with `trainable_variables`.
      optimizer: its slots for the model are created here, so that a checkpoint can be restored
        before the first step. None: no step changes the model.
      target: a copy of the model that follows it, or None.

    Attributes:
      model, optimizer, target: as given.
    """

    def __init__(self, model: Any, optimizer: Optimizer | None, target: Any = None):
        super().__init__(name="trainable")
        self.model = model
        self.optimizer: Any = None
        if optimizer is not None:
            self.optimizer = with_slots(optimizer, model.trainable_variables)
        self.target = target


def trainables(state: tf.Module) -> dict[str, Trainable]:
    """Returns {name: trainable} of the children of a train state."""
    children = vars(state).items()
    return {name: child for name, child in children if isinstance(child, Trainable)}
