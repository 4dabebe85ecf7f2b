"""Data types shared by the library, and its shape conventions.

Letters in shapes: B rows of a batch, A action dimensions, N critics of an ensemble,
E environments stepped together, W columns of a packed row.

An observation is one float32 array, or a nested dict of them ("nest"). Actions are in [-1, 1]
inside the library; only environments and exported policies know the bounds of a task.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tree

Nest = Any
"""An array or tensor, or a nested dict of them."""


Metrics = dict[str, tf.Tensor]
"""Scalars by name."""

Act = Callable[[Nest], np.ndarray]
"""Observations (nest of [E, ...]) -> actions [E, A] in [-1, 1]."""

Numbers = Mapping[str, float]
"""Numbers by name."""

_NONE: Numbers = MappingProxyType({})


class Transition(NamedTuple):
    """Transitions: NumPy arrays before the replay, tensors after it.

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
    """The result of stepping E environments together.

    Attributes:
      reward: float32 [E].
      terminated: bool [E], the task itself ended (no value after it).
      truncated: bool [E], a time limit ended the episode (the value continues).
      successor: nest of float32 [E, ...], the state reached, also where the episode ended.
      observation: nest of float32 [E, ...], to act on next: the first of a new episode where one
        ended.
      info: E dicts, what each environment reported with the step.
    """

    reward: Any
    terminated: Any
    truncated: Any
    successor: Nest
    observation: Nest
    info: Sequence[Mapping[str, Any]]


class Episode(NamedTuple):
    """A finished episode.

    Attributes:
      total_reward: undiscounted return.
      length: in environment steps.
      copy: index of the environment that played it, of E.
      info: every number that the environment reported, with its last value in the episode.
    """

    total_reward: float
    length: int
    copy: int
    info: Numbers = _NONE


class Evaluation(NamedTuple):
    """The result of some episodes.

    Attributes:
      return_mean, return_std: mean and standard deviation of the undiscounted returns.
      episodes: their number.
      success_rate: share of the episodes that succeeded, 0 to 1; None if the task does not report
        success.
      info: means over the episodes of the other numbers that were asked for.
    """

    return_mean: float
    return_std: float
    episodes: int
    success_rate: float | None = None
    info: Numbers = _NONE

    def __str__(self) -> str:
        episodes = "1 episode" if self.episodes == 1 else f"{self.episodes} episodes"
        text = f"{self.return_mean:.1f} +- {self.return_std:.1f} over {episodes}"
        if self.success_rate is not None:
            text += f", success rate {self.success_rate:.2f}"
        return text


class Leaf(NamedTuple):
    """One array of a nest.

    Attributes:
      path: keys that lead to it in a nested dict; empty where the nest is the array itself.
      value: the array, or its spec.
    """

    path: tuple[str, ...]
    value: Any

    @property
    def name(self) -> str:
        """The keys joined with "/"."""
        return "/".join(self.path)


def leaves_of(nest: Nest) -> list[Leaf]:
    """Returns the arrays of a nest in the order of `tf.nest.flatten`."""
    return [Leaf(tuple(map(str, path)), value) for path, value in tree.flatten_with_path(nest)]


@dataclasses.dataclass(frozen=True)
class EnvironmentSpec:
    """Observations and actions of a task.

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
