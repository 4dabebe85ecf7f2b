"""Policies: a network and the distribution over actions that its outputs describe. All that acts,
evaluates, records or exports holds a policy and nothing else of an algorithm."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import gin
import tensorflow as tf

from sac_tf.networks.actor import make_actor
from sac_tf.networks.distributions import squashed_gaussian
from sac_tf.types import EnvironmentSpec, Nest


class MakeNetwork(Protocol):
    """Builds a network for a task; the same seed gives the same weights."""

    def __call__(self, spec: EnvironmentSpec, seed: int) -> tf.keras.Model: ...


class ActionDistribution(Protocol):
    """pi(.|s) for B observations."""

    def sample_action(self, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns an action [B, A] and its log-probability [B], from a stateless seed, int32
        [2]."""

    def log_prob_of_action(self, action: tf.Tensor) -> tf.Tensor:
        """Returns log pi(action|s) [B] of actions [B, A] of others, in [-1, 1]."""

    def mean_action(self) -> tf.Tensor:
        """Returns the deterministic action [B, A]."""

    def served_parameters(self) -> Mapping[str, tf.Tensor]:
        """Returns tensors [B, ...] that describe the distribution in an exported policy."""


class Policy(tf.Module):
    """A network and its distribution over actions.

    Args:
      network: [observation] -> the outputs that `distribution` takes.
      distribution: f(*outputs of the network) -> pi(.|s).

    Attributes:
      network: as given.
    """

    def __init__(self, network: tf.keras.Model, distribution: Callable[..., ActionDistribution]):
        super().__init__(name="policy")
        self.network = network
        self._distribution = distribution

    def distribution(self, observation: Nest, training: bool = False) -> ActionDistribution:
        """Returns pi(.|s).

        Args:
          observation: nest of [B, ...].
          training: whether the network is being trained on them.
        """
        return self.describe(self.network([observation], training=training))

    def describe(self, outputs: tf.Tensor | Sequence[tf.Tensor]) -> ActionDistribution:
        """Returns the distribution that outputs of the network describe; Keras returns a single one
        without a list."""
        return self._distribution(*([outputs] if tf.is_tensor(outputs) else outputs))

    __call__ = distribution

    def sample(
        self, observation: Nest, seed: tf.Tensor
    ) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
        """Returns actions and what the policy gives with them.

        Args:
          observation: nest of [B, ...].
          seed: a stateless seed, int32 [2].

        Returns: actions [B, A] in [-1, 1], and {"log_prob": log pi [B]}.
        """
        action, log_prob = self.distribution(observation).sample_action(seed)
        return action, {"log_prob": log_prob}

    def mean_action(self, observation: Nest) -> tf.Tensor:
        """Returns the deterministic actions [B, A] for observations, nest of [B, ...]."""
        return self.distribution(observation).mean_action()

    def served_parameters(self, observation: Nest) -> Mapping[str, tf.Tensor]:
        """Returns what describes pi(.|s) in an exported policy, for observations, nest of
        [B, ...]."""
        return self.distribution(observation).served_parameters()

    @property
    def variables(self) -> list[tf.Variable]:
        return self.network.variables

    @property
    def trainable_variables(self) -> list[tf.Variable]:
        return self.network.trainable_variables


class MakePolicy(Protocol):
    """Builds the policy for a task; the same seed gives the same weights."""

    def __call__(self, spec: EnvironmentSpec, seed: int) -> Policy: ...


@gin.configurable("policy")
def make_policy(
    spec: EnvironmentSpec,
    seed: int,
    network: MakeNetwork = make_actor,
    distribution: Callable[..., ActionDistribution] = squashed_gaussian,
) -> Policy:
    """Returns a policy with a new network.

    Args:
      spec: of the task.
      seed: of the initial weights.
      network: builds the policy network.
      distribution: f(*outputs of the network) -> pi(.|s), the distribution over actions.
    """
    return Policy(network(spec, seed), distribution)
