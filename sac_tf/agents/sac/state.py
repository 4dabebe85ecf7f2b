"""The train state of Soft Actor-Critic: everything that learning changes and a checkpoint saves."""

from collections.abc import Callable

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.agents.encoding import share_encoder
from sac_tf.agents.optimizers import Optimizer, actor_adam, alpha_adam, critic_adam
from sac_tf.agents.policy import MakeNetwork, MakePolicy
from sac_tf.agents.targets import copy_of_critic
from sac_tf.agents.trainable import Trainable
from sac_tf.networks.critic import make_critic
from sac_tf.networks.temperature import Temperature
from sac_tf.seeds import independent_seeds
from sac_tf.types import EnvironmentSpec


@gin.configurable
class SacState(tf.Module):
    """Policy, critics, temperature, their optimizers, random generators and counters. A
    `TrainState`.

    Args:
      spec: of the task.
      seed: of weights and generators.
      discount: of one environment step, in [0, 1].
      policy: builds the policy.
      critic: builds the ensemble of critics.
      actor_optimizer: builds the optimizer of the policy.
      critic_optimizer: builds the optimizer of the critics.
      alpha_optimizer: builds the optimizer of the temperature; None if it is fixed.
      temperature: builds the temperature.
      target_critic: f(the critics, `critic`, spec, another seed) builds the target critics; None
        for steps without targets.

    Attributes:
      policy: acts.
      actor: trains the policy.
      critics: trains the critics, [observation, action] -> Q values [N, B]. The target critics
        equal them at the start, and are their Polyak average afterwards.
      shared: the encoder of the critics, which the policy shares.
      temperature: trains alpha.
      multiplier: trains the multiplier of a constraint on the critics (CQL); None without one.
      generator, exploration_generator, updates, strategy: see `TrainState`.
      discount: of one environment step.
      target_entropy: H_target in nats.
    """

    multiplier: Trainable | None = None

    def __init__(
        self,
        spec: EnvironmentSpec,
        seed: int,
        discount: float,
        policy: MakePolicy,
        critic: MakeNetwork = make_critic,
        actor_optimizer: Callable[[], Optimizer] = actor_adam,
        critic_optimizer: Callable[[], Optimizer] = critic_adam,
        alpha_optimizer: Callable[[], Optimizer] | None = alpha_adam,
        temperature: Callable[[], Temperature] = Temperature,
        target_critic: Callable[..., tf.keras.Model] | None = copy_of_critic,
    ):
        """Builds everything from `seed`; the same seed gives the same weights and draws."""
        super().__init__(name="sac_state")
        seeds = iter(independent_seeds(seed, 5))
        self.policy = policy(spec, next(seeds))
        critics = critic(spec, next(seeds))
        self.generator = tf.random.Generator.from_seed(next(seeds))
        self.exploration_generator = tf.random.Generator.from_seed(next(seeds))
        targets = None
        if target_critic is not None:
            targets = target_critic(critics, critic, spec, next(seeds))
        settings = temperature()
        self.shared = share_encoder(self.policy, critics)
        self.actor = Trainable(self.policy, actor_optimizer())
        self.critics = Trainable(critics, critic_optimizer(), targets)
        self.temperature = Trainable(
            settings.make_multiplier(), None if alpha_optimizer is None else alpha_optimizer()
        )
        self.updates = tf.Variable(0, dtype=tf.int64, name="updates")
        self.discount = discount
        self.target_entropy = settings.entropy_target(spec.action_dimensions)
        self.strategy = devices.current_strategy()

    @property
    def alpha(self) -> tf.Tensor:
        """The temperature, scalar."""
        return self.temperature.model.alpha
