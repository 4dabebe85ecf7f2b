"""Agents: what a run needs of an algorithm. An agent is composed of functions by gin, not derived
from a class; `agents/sac/agent.py` is an example."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import tensorflow as tf

from sac_tf.agents.policy import MakePolicy, Policy
from sac_tf.replay.protocols import Transform
from sac_tf.types import EnvironmentSpec, Metrics, Transition


class TrainState(Protocol):
    """All that an update changes and a checkpoint saves: a `tf.Module` whose children are what its
    algorithm uses, and nothing else.

    Attributes:
      policy: chooses actions.
      generator: random numbers of updates.
      exploration_generator: random numbers of exploration, independent of those of updates.
      updates: int64 scalar, updates done.
      strategy: of several devices, on whose replicas the steps must run; None on one device.
    """

    policy: Policy
    generator: tf.random.Generator
    exploration_generator: tf.random.Generator
    updates: tf.Variable
    strategy: tf.distribute.Strategy | None


class MakeState(Protocol):
    """Builds a train state for a task; the same seed gives the same weights and draws."""

    def __call__(self, spec: EnvironmentSpec, seed: int, discount: float) -> TrainState:
        """Returns a new state; `discount` is that of one environment step, in [0, 1]."""


class Steps(Protocol):
    """Takes the steps of K updates on K batches of B rows.

    Returns metrics, and the error of each row [K, B], |Q - y| for example: prioritized replay draws
    rows with large errors more often.
    """

    def __call__(
        self, state: TrainState, batches: Sequence[Transition]
    ) -> tuple[Metrics, tf.Tensor]: ...


@dataclasses.dataclass(frozen=True)
class Agent:
    """An algorithm.

    Attributes:
      make_policy: builds the policy alone, for all that acts and does not learn.
      make_state: builds the train state, with such a policy in it.
      steps: changes a state.
      transforms: of the batches of an update, before those of the run.
    """

    make_policy: MakePolicy
    make_state: MakeState
    steps: Steps
    transforms: Sequence[Transform] = ()
