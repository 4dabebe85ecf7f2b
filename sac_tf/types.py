"""What flows between the parts of the library, and every shape convention, once.

Letters used in shapes everywhere: B rows of a batch, A action dimensions, N critics of an ensemble,
E environments stepped together, W columns of a packed row.

An observation is one float32 array, or a nested dict of them ("nest"). Actions are in [-1, 1]
everywhere inside the library; only the environment adapter and exported policies know the bounds of
a task.
"""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

Nest = Any
"""An array or tensor, or a nested dict of them."""


class Transition(NamedTuple):
    """Rows of experience, in NumPy on the way to the replay and in TensorFlow on the way out.

    Attributes:
      observation: nest of float32 [B, ...].
      action: float32 [B, A] in [-1, 1].
      reward: float32 [B].
      discount: float32 [B]; 0 where the episode terminated, else 1. A time limit does not end a
        value: truncated rows keep 1 and bootstrap.
      next_observation: nest of float32 [B, ...], the true successor, never the first observation of
        a new episode.
    """

    observation: Nest
    action: Any
    reward: Any
    discount: Any
    next_observation: Nest


class Step(NamedTuple):
    """What one joint step of E environments gave.

    Attributes:
      reward: float32 [E].
      terminated: bool [E], the task itself ended (no value beyond).
      truncated: bool [E], a time limit ended the episode (value goes on).
      successor: nest of float32 [E, ...], the state reached, also where the episode ended.
      observation: nest of float32 [E, ...], what to act on next: the first of a new episode where
        one ended.
    """

    reward: Any
    terminated: Any
    truncated: Any
    successor: Nest
    observation: Nest


@dataclasses.dataclass(frozen=True)
class EnvironmentSpec:
    """What a policy and a replay need to know of a task.

    Attributes:
      observation: nest of `tf.TensorSpec`, float32, without a batch dimension.
      action: `tf.TensorSpec` float32 [A], values in [-1, 1].
      action_low: float32 [A], the task's own lower bounds.
      action_high: float32 [A], the task's own upper bounds.
    """

    observation: Nest
    action: tf.TensorSpec
    action_low: np.ndarray
    action_high: np.ndarray

    @property
    def action_dimensions(self) -> int:
        return int(self.action.shape[0])

    @property
    def transition(self) -> Transition:
        """The spec of one row: `Transition` of `tf.TensorSpec`."""
        scalar = tf.TensorSpec([], tf.float32)
        return Transition(self.observation, self.action, scalar, scalar, self.observation)
