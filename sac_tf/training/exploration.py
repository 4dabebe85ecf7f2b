"""Exploration: how a policy acts while it collects experience."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import gin
import numpy as np
import tensorflow as tf

from sac_tf.agents.policy import Policy
from sac_tf.errors import NOT_NEGATIVE, ConfigurationError, require_count, require_number
from sac_tf.seeds import draw_seed
from sac_tf.training.acting import compile_act
from sac_tf.types import Act, EnvironmentSpec, Nest


def _nothing() -> None:
    """Begins nothing."""


class Exploration(NamedTuple):
    """Actions in E environments that are stepped together.

    Attributes:
      act: chooses the actions.
      begin: called where all environments start new episodes and a resumed run may start: forgets
        what was kept from earlier steps, so that both do the same.
    """

    act: Act
    begin: Callable[[], None] = _nothing


class MakeExploration(Protocol):
    """Builds the exploration of a policy."""

    def __call__(
        self,
        policy: Policy,
        generator: tf.random.Generator,
        spec: EnvironmentSpec,
        num_environments: int,
    ) -> Exploration:
        """Returns an exploration.

        Args:
          policy: acts, with the values that its variables have at each step.
          generator: of all random numbers.
          spec: of the task.
          num_environments: E.
        """


@gin.configurable
def sampled(
    policy: Policy, generator: tf.random.Generator, spec: EnvironmentSpec, num_environments: int
) -> Exploration:
    """`MakeExploration` of actions drawn from the policy, anew at each step."""

    def sample(observation: Nest) -> tf.Tensor:
        action, _ = policy.sample(observation, draw_seed(generator))
        return action

    return Exploration(compile_act(sample, spec, num_environments))


@gin.configurable
def noisy(
    policy: Policy,
    generator: tf.random.Generator,
    spec: EnvironmentSpec,
    num_environments: int,
    std: float = 0.1,
) -> Exploration:
    """`MakeExploration` of mean actions plus Gaussian noise, clipped to [-1, 1]: for deterministic
    policies (TD3, 1802.09477).

    Args:
      policy, generator, spec, num_environments: see `MakeExploration`.
      std: standard deviation of the noise, in units of [-1, 1].

    Raises:
      ConfigurationError: `std` is negative.
    """
    require_number("noisy.std", std, *NOT_NEGATIVE)

    def act(observation: Nest) -> tf.Tensor:
        mean = policy.mean_action(observation)
        noise = tf.random.stateless_normal(tf.shape(mean), draw_seed(generator))
        return tf.clip_by_value(mean + std * noise, -1.0, 1.0)

    return Exploration(compile_act(act, spec, num_environments))


@gin.configurable
def partly_random(
    policy: Policy,
    generator: tf.random.Generator,
    spec: EnvironmentSpec,
    num_environments: int,
    probability: float = 0.3,
) -> Exploration:
    """`MakeExploration` of actions drawn from the policy, some of which are replaced by uniform
    ones in [-1, 1] (goals with hindsight, 1802.09464).

    Args:
      policy, generator, spec, num_environments: see `MakeExploration`.
      probability: of a uniform action, drawn for each environment and step.

    Raises:
      ConfigurationError: `probability` is not in [0, 1].
    """
    require_number(
        "partly_random.probability", probability, lambda x: 0 <= x <= 1, "a number in [0, 1]"
    )

    def act(observation: Nest) -> tf.Tensor:
        seeds = tf.random.experimental.stateless_split(draw_seed(generator), 3)
        drawn, _ = policy.sample(observation, seeds[0])
        uniform = tf.random.stateless_uniform(tf.shape(drawn), seeds[1], -1.0, 1.0)
        is_random = tf.random.stateless_uniform([num_environments, 1], seeds[2]) < probability
        return tf.where(is_random, uniform, drawn)

    return Exploration(compile_act(act, spec, num_environments))


@gin.configurable
def repeated_noise(
    policy: Policy,
    generator: tf.random.Generator,
    spec: EnvironmentSpec,
    num_environments: int,
    exponent: float = 2.0,
    longest: int = 16,
) -> Exploration:
    """`MakeExploration` that draws the standard normal noise of a Gaussian policy and keeps it for
    n steps, with P(n) proportional to n^-exponent (FlashSAC, 2604.04539).

    Each environment has its own noise and its own n, which an end of an episode does not cut.

    Args:
      policy, generator, spec, num_environments: see `MakeExploration`.
      exponent: 0 draws each n with the same probability; a large one draws new noise at each step.
      longest: the largest n.

    Raises:
      ConfigurationError: a number out of range, or a policy that has no Gaussian noise.
    """
    require_number("repeated_noise.exponent", exponent, *NOT_NEGATIVE)
    require_count("repeated_noise.longest", longest)
    kept = _KeptNoise(num_environments, spec.action_dimensions, _power_law(exponent, longest))

    def act(observation: Nest) -> tf.Tensor:
        distribution = policy.distribution(observation)
        if not hasattr(distribution, "action_of_noise"):
            raise ConfigurationError(
                "train.exploration=@repeated_noise needs a policy with Gaussian noise, such as "
                "policy.distribution=@squashed_gaussian; use @sampled or @noisy."
            )
        return distribution.action_of_noise(kept.next(draw_seed(generator)))

    return Exploration(compile_act(act, spec, num_environments), kept.forget)


def _power_law(exponent: float, longest: int) -> np.ndarray:
    """Returns P(n <= 1), P(n <= 2), ... without the last one, which is 1, for P(n) proportional to
    n^-exponent up to `longest`."""
    weights = np.arange(1, longest + 1, dtype=np.float64) ** -exponent
    return np.cumsum(weights / weights.sum())[:-1].astype(np.float32)


class _KeptNoise:
    """Standard normal noise of E environments, each of which keeps a draw for n steps."""

    def __init__(self, environments: int, size: int, bounds: np.ndarray):
        """Takes E, the size A of the noise, and the cumulative probabilities of n."""
        self._bounds = tf.constant(bounds)
        self._noise = tf.Variable(tf.zeros([environments, size]), trainable=False)
        self._left = tf.Variable(tf.zeros([environments], tf.int32), trainable=False)

    def next(self, seed: tf.Tensor) -> tf.Tensor:
        """Returns the noise [E, A] of the next step; draws with a stateless seed, int32 [2]."""
        seeds = tf.random.experimental.stateless_split(seed, 2)
        drawn = tf.random.stateless_uniform(self._left.shape, seeds[0])
        steps = 1 + tf.searchsorted(self._bounds, drawn, side="right")
        new = tf.random.stateless_normal(self._noise.shape, seeds[1])
        is_over = self._left <= 0
        noise = tf.where(is_over[:, tf.newaxis], new, self._noise)
        self._noise.assign(noise)
        self._left.assign(tf.where(is_over, steps, self._left) - 1)
        return noise

    def forget(self) -> None:
        """Makes the next step draw anew in all environments."""
        self._left.assign(tf.zeros_like(self._left))
