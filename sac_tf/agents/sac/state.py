"""The train state of Soft Actor-Critic: everything that learning changes and a checkpoint saves."""

from collections.abc import Callable
from typing import Any, Protocol

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.agents.optimizers import Optimizer, adam, with_slots
from sac_tf.agents.targets import copy_of_critic
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.distributions import SquashedGaussian, squashed_gaussian
from sac_tf.networks.temperature import Temperature
from sac_tf.pinned.gin_registry import InScope
from sac_tf.seeds import independent_seeds
from sac_tf.types import EnvironmentSpec, Nest

actor_adam = InScope("actor", adam)
critic_adam = InScope("critic", adam)
alpha_adam = InScope("alpha", adam)


class MakeNetwork(Protocol):
    """Builds a network for a task; the same seed gives the same weights."""

    def __call__(self, spec: EnvironmentSpec, seed: int) -> tf.keras.Model: ...


class MakeState(Protocol):
    """Builds a train state: `TrainState`, or `mirrored_state` on several devices."""

    def __call__(self, spec: EnvironmentSpec, seed: int, discount: float) -> "TrainState": ...


@gin.configurable
class TrainState(tf.Module):
    """Actor, critics, target critics, temperature, their optimizers, random generators, counters.

    Args:
      spec: of the task.
      seed: of weights and generators.
      discount: of one environment step, in [0, 1].
      actor: builds the policy network.
      critic: builds the ensemble of critics.
      actor_optimizer: builds the optimizer of the actor.
      critic_optimizer: builds the optimizer of the critics.
      alpha_optimizer: builds the optimizer of the temperature.
      temperature: builds the temperature.
      distribution: f(*what the actor returns) -> pi(.|s), the distribution over actions.
      target_critic: f(the critics, `critic`, spec, another seed) builds the target critics; None
        for steps without targets.

    Attributes:
      actor: [observation] -> (loc, log_std).
      critic: [observation, action] -> Q values [N, B].
      target_critic: as `critic`: equal to it at the start, then its Polyak average; or None.
      log_alpha: scalar variable, the parameter of the temperature: its logarithm, unless
        `Temperature.parametrization` is another one.
      actor_optimizer, critic_optimizer, alpha_optimizer: their slots exist.
      generator: random numbers of updates.
      exploration_generator: random numbers of exploration, independent of those of updates.
      updates: int64 scalar, critic updates done.
      discount: of one environment step.
      target_entropy: H_target in nats.
      strategy: of `mirrored_state`, on whose replicas the steps must run; None on one device.
    """

    def __init__(
        self,
        spec: EnvironmentSpec,
        seed: int,
        discount: float,
        actor: MakeNetwork = make_actor,
        critic: MakeNetwork = make_critic,
        actor_optimizer: Callable[[], Optimizer] = actor_adam,
        critic_optimizer: Callable[[], Optimizer] = critic_adam,
        alpha_optimizer: Callable[[], Optimizer] = alpha_adam,
        temperature: Callable[[], Temperature] = Temperature,
        distribution: Callable[..., Any] = squashed_gaussian,
        target_critic: Callable[..., tf.keras.Model] | None = copy_of_critic,
    ):
        """Builds everything from `seed`; the same seed gives the same weights and draws."""
        super().__init__(name="train_state")
        seeds = iter(independent_seeds(seed, 5))
        self.actor = actor(spec, next(seeds))
        self.critic = critic(spec, next(seeds))
        self.generator = tf.random.Generator.from_seed(next(seeds))
        self.exploration_generator = tf.random.Generator.from_seed(next(seeds))
        self.target_critic: Any = None
        if target_critic is not None:
            self.target_critic = target_critic(self.critic, critic, spec, next(seeds))
        self._temperature = temperature()
        self.log_alpha = self._temperature.make_parameter()
        self.actor_optimizer = with_slots(actor_optimizer(), self.actor.trainable_variables)
        self.critic_optimizer = with_slots(critic_optimizer(), self.critic.trainable_variables)
        self.alpha_optimizer = with_slots(alpha_optimizer(), [self.log_alpha])
        self.updates = tf.Variable(0, dtype=tf.int64, name="updates")
        self.discount = discount
        self.target_entropy = self._temperature.entropy_target(spec.action_dimensions)
        self._distribution = distribution
        self.strategy = devices.current_strategy()

    @property
    def alpha(self) -> tf.Tensor:
        """The temperature, scalar."""
        return self._temperature.alpha(self.log_alpha)

    def policy(self, observation: Nest, training: bool = False) -> SquashedGaussian:
        """Returns pi(.|s) for observations [B, ...].

        Args:
          observation: nest of [B, ...].
          training: whether the actor is being trained on them.
        """
        return self._distribution(*self.actor([observation], training=training))
