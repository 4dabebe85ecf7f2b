"""Data types shared by the library, and its shape conventions.

Letters in shapes: B rows of a batch, A action dimensions, N critics of an ensemble,
E environments stepped together, W columns of a packed row.

An observation is one array, or a nested dict of them ("nest"): float32, and uint8 [H, W, C] for
images. Actions are in [-1, 1] inside the library; only environments and exported policies know the
bounds of a task.
"""

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tree

from sac_tf.leaves import ActionLeaf, Nest, ObservationLeaf, nest_of, observation_names

Metrics = dict[str, tf.Tensor]
"""Scalars by name."""

Act = Callable[[Nest], np.ndarray]
"""Observations (nest of [E, ...]) -> actions [E, A] in [-1, 1]."""

Numbers = Mapping[str, float]
"""Numbers by name."""

_NONE: Numbers = MappingProxyType({})

WEIGHT = "weight"
"""Name in `Transition.extras` of importance weights, float32 [B]."""

INTERVENED = "intervened"
"""Name in `Transition.extras` of what is collected: whether somebody took over, bool [E]; absent if
nobody did."""

RETURN_TO_GO = "return_to_go"
"""Name in `Transition.extras` of discounted returns to the end of the episode, float32 [B]."""

VIEWS = "views"
"""Name in `Transition.extras` of other augmentations of the observation, a list of nests."""

NEXT_VIEWS = "next_views"
"""Name in `Transition.extras` of other augmentations of the next observation, a list of nests."""


class Transition(NamedTuple):
    """Transitions: NumPy arrays before the replay, tensors after it.

    Attributes:
      observation: nest [B, ...] of float32, or uint8 for images.
      action: float32 [B, A] in [-1, 1].
      reward: float32 [B]; in n-step rows the discounted sum of m <= n rewards.
      discount: float32 [B]; 0 where the episode terminated, else gamma^(m - 1), which is 1 for one
        step. A time limit does not end a value: truncated rows keep it and bootstrap.
      next_observation: like `observation`, the true successor, never the first observation of
        a new episode.
      extras: arrays [B, ...] by name, whatever a source of batches adds. `WEIGHT` multiplies the
        losses of a row.
    """

    observation: Nest
    action: Any
    reward: Any
    discount: Any
    next_observation: Nest
    extras: Mapping[str, Any] = {}


class Step(NamedTuple):
    """The result of stepping E environments together.

    Attributes:
      reward: float32 [E].
      terminated: bool [E], the task itself ended (no value after it).
      truncated: bool [E], a time limit ended the episode (the value continues).
      successor: nest [E, ...] of float32 or uint8, the state reached, also where the episode ended.
      observation: like `successor`, to act on next: the first of a new episode where one
        ended.
      info: E dicts, what each environment reported with the step.
      interventions: {environment: action float32 [A] in [-1, 1]} of those in which somebody took
        over, and that action was executed instead of the given one.
    """

    reward: Any
    terminated: Any
    truncated: Any
    successor: Nest
    observation: Nest
    info: Sequence[Mapping[str, Any]]
    interventions: Mapping[int, Any] = MappingProxyType({})


class Episode(NamedTuple):
    """A finished episode.

    Attributes:
      total_reward: undiscounted return.
      length: in environment steps.
      environment: index of the one that played it, of E.
      info: every number that the environment reported, with its last value in the episode.
      largest: these numbers with their largest value in the episode.
      interventions: its steps in which somebody took over.
    """

    total_reward: float
    length: int
    environment: int
    info: Numbers = _NONE
    largest: Numbers = _NONE
    interventions: int = 0


class Evaluation(NamedTuple):
    """The result of some episodes.

    Attributes:
      return_mean, return_std: mean and standard deviation of the undiscounted returns.
      episodes: their number.
      success_rate: share of the episodes that succeeded at their last step, 0 to 1; None if the
        task does not report success.
      success_once: share of the episodes that succeeded at some step; None as above.
      info: means over the episodes of the other numbers that were asked for.
    """

    return_mean: float
    return_std: float
    episodes: int
    success_rate: float | None = None
    success_once: float | None = None
    info: Numbers = _NONE

    def __str__(self) -> str:
        episodes = "1 episode" if self.episodes == 1 else f"{self.episodes} episodes"
        text = f"{self.return_mean:.1f} +- {self.return_std:.1f} over {episodes}"
        if self.success_rate is not None:
            text += f", success rate {self.success_rate:.2f}"
        if self.success_once is not None:
            text += f" (once {self.success_once:.2f})"
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
    """Observations and actions of a task: for the learner, and as the task has them.

    Attributes:
      observation_leaves: the arrays of the task's observation, in the order of `tf.nest.flatten`.
      action_leaves: the arrays of the task's action, in that order.
    """

    observation_leaves: tuple[ObservationLeaf, ...]
    action_leaves: tuple[ActionLeaf, ...]

    @classmethod
    def of_arrays(cls, observation: Nest, low: np.ndarray, high: np.ndarray) -> "EnvironmentSpec":
        """Returns the spec of a task with float32 arrays only.

        Args:
          observation: nest of anything with a shape, such as `tf.TensorSpec`.
          low, high: float32 [A], bounds of the action.
        """
        found = tree.flatten_with_path(observation)
        names = observation_names(path for path, _ in found)
        leaves = tuple(
            ObservationLeaf(name, tuple(path), tuple(map(int, leaf.shape)), "float32")
            for name, (path, leaf) in zip(names, found, strict=True)
        )
        bounds = [tuple(map(float, bound)) for bound in (low, high)]
        return cls(leaves, (ActionLeaf("action", (), (len(low),), "float32", *bounds),))

    @classmethod
    def from_json(cls, content: Any) -> "EnvironmentSpec":
        """Returns the spec that `as_json` described; raises TypeError or KeyError for others."""
        return cls(
            tuple(ObservationLeaf(**_with_tuples(leaf)) for leaf in content["observation"]),
            tuple(ActionLeaf(**_with_tuples(leaf)) for leaf in content["action"]),
        )

    def as_json(self) -> dict[str, Any]:
        """Returns the spec as JSON has it, without tuples."""
        content = {
            "observation": [leaf._asdict() for leaf in self.observation_leaves],
            "action": [leaf._asdict() for leaf in self.action_leaves],
        }
        return json.loads(json.dumps(content))

    def difference(self, other: "EnvironmentSpec") -> str | None:
        """Returns what distinguishes this task's arrays from those of `other`, in words; None if
        nothing does."""
        for what, mine, theirs in (
            ("observations", self.observation_leaves, other.observation_leaves),
            ("actions", self.action_leaves, other.action_leaves),
        ):
            if mine != theirs:
                return f"{what} ({_listed(mine)}) instead of ({_listed(theirs)})"
        return None

    @functools.cached_property
    def observation(self) -> Nest:
        """Nest of `tf.TensorSpec`, uint8 of images and else float32, without a batch dimension, in
        the task's structure."""
        return nest_of(
            [leaf.path for leaf in self.observation_leaves],
            [
                tf.TensorSpec(leaf.encoded_shape, leaf.encoded_dtype, leaf.name)
                for leaf in self.observation_leaves
            ],
        )

    @functools.cached_property
    def action(self) -> tf.TensorSpec:
        """`tf.TensorSpec` float32 [A], values in [-1, 1]: all elements of the task's action."""
        return tf.TensorSpec([len(self.action_low)], tf.float32, "action")

    @functools.cached_property
    def action_low(self) -> np.ndarray:
        """float32 [A], the task's own lower bounds."""
        return np.array([x for leaf in self.action_leaves for x in leaf.low], np.float32)

    @functools.cached_property
    def action_high(self) -> np.ndarray:
        """float32 [A], the task's own upper bounds."""
        return np.array([x for leaf in self.action_leaves for x in leaf.high], np.float32)

    @property
    def action_dimensions(self) -> int:
        return int(self.action.shape[0])

    @property
    def transition(self) -> Transition:
        """The spec of one row: `Transition` of `tf.TensorSpec`."""
        scalar = tf.TensorSpec([], tf.float32)
        return Transition(self.observation, self.action, scalar, scalar, self.observation)


def _listed(leaves: Sequence[Any]) -> str:
    return ", ".join(map(str, leaves))


def _with_tuples(leaf: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of a leaf with tuples instead of JSON's lists."""
    return {key: tuple(x) if isinstance(x, list) else x for key, x in leaf.items()}
