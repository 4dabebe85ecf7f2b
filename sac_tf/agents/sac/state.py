"""Everything that learning changes, in one object: what a step takes, and what a checkpoint
holds."""

from collections.abc import Callable
from typing import Any

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.agents.optimizers import Optimizer, adam, with_slots
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.distributions import SquashedGaussian, squashed_gaussian
from sac_tf.networks.temperature import Temperature
from sac_tf.seeds import independent_seeds
from sac_tf.types import EnvironmentSpec, Nest


@gin.configurable
def copy_of_critic(
    critic: tf.keras.Model, make: Callable[..., tf.keras.Model], spec: EnvironmentSpec, seed: int
) -> tf.keras.Model:
    """Returns target critics: the weights of `critic`, and draws (masks of dropout) of their own,
    from `seed`."""
    target = make(spec, seed)
    for variable, source in averaged(target, critic):
        variable.assign(source)
    return target


def averaged(
    target: tf.keras.Model, critic: tf.keras.Model
) -> list[tuple[tf.Variable, tf.Variable]]:
    """Returns the pairs of variables that a Polyak average is taken of: no counters, and nothing
    that they share."""
    pairs = zip(target.variables, critic.variables, strict=True)
    return [(own, other) for own, other in pairs if own.dtype.is_floating and own is not other]


@gin.configurable
class TrainState(tf.Module):
    """Actor, critics, target critics, temperature, their optimizers, random generators and the
    update counter.

    Attributes:
      actor: [observation] -> (loc, log_std).
      critic: [observation, action] -> Q values [N, B].
      target_critic: the same shape; equal to `critic` at the start, then its Polyak average. Or
        None.
      log_alpha: scalar variable, the parameter of the temperature: its logarithm, unless it is
        parametrized otherwise.
      actor_optimizer, critic_optimizer, alpha_optimizer: with slots already made.
      generator: draws for updates. exploration_generator: draws for collecting, so that neither
        disturbs the other.
      updates: int64 scalar, critic updates done.
      target_entropy: float, H_target in nats.
      strategy: that of `mirrored_state`, on whose replicas alone steps can change the variables;
        None on one device.
    """

    def __init__(
        self,
        spec: EnvironmentSpec,
        seed: int,
        actor: Callable[..., tf.keras.Model] = make_actor,
        critic: Callable[..., tf.keras.Model] = make_critic,
        actor_optimizer: Callable[[], Optimizer] = adam,
        critic_optimizer: Callable[[], Optimizer] = adam,
        alpha_optimizer: Callable[[], Optimizer] = adam,
        temperature: Callable[[], Temperature] = Temperature,
        distribution: Callable[..., Any] = squashed_gaussian,
        target_critic: Callable[..., tf.keras.Model] | None = copy_of_critic,
    ):
        """Builds everything from `seed`; the same seed gives the same weights and the same draws.

        Args:
          spec: of the task.
          seed: of weights and generators.
          actor, critic: called as f(spec, seed). The optimizers and the temperature: as f().
          distribution: called with what the actor returns; gives pi(.|s).
          target_critic: called as f(the critic, `critic`, spec, another seed); None for steps that
            have no target.
        """
        super().__init__(name="train_state")
        actor_seed, critic_seed, update_seed, exploration_seed, target_seed = independent_seeds(
            seed, 5
        )
        self.actor = actor(spec, actor_seed)
        self.critic = critic(spec, critic_seed)
        targets: Any = (
            None if target_critic is None else target_critic(self.critic, critic, spec, target_seed)
        )
        self.target_critic = targets
        self._temperature = temperature()
        self.log_alpha = self._temperature.make_parameter()
        self.actor_optimizer = with_slots(actor_optimizer(), self.actor.trainable_variables)
        self.critic_optimizer = with_slots(critic_optimizer(), self.critic.trainable_variables)
        self.alpha_optimizer = with_slots(alpha_optimizer(), [self.log_alpha])
        self.generator = tf.random.Generator.from_seed(update_seed)
        self.exploration_generator = tf.random.Generator.from_seed(exploration_seed)
        self.updates = tf.Variable(0, dtype=tf.int64, name="updates")
        self.target_entropy = self._temperature.entropy_target(spec.action_dimensions)
        self._distribution = distribution
        self.strategy = devices.current_strategy()

    @property
    def alpha(self) -> tf.Tensor:
        """The temperature, scalar."""
        return self._temperature.alpha(self.log_alpha)

    def policy(self, observation: Nest, training: bool = False) -> SquashedGaussian:
        """Returns pi(.|s) for observations [B, ...]; `training` where the actor is what is being
        trained."""
        return self._distribution(*self.actor([observation], training=training))
