"""The train state of TD3: everything that learning changes and a checkpoint saves."""

from collections.abc import Callable

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.agents import targets
from sac_tf.agents.encoding import share_encoder
from sac_tf.agents.optimizers import Optimizer, actor_adam, critic_adam
from sac_tf.agents.policy import MakeNetwork, MakePolicy
from sac_tf.agents.trainable import Trainable
from sac_tf.networks.critic import make_critic
from sac_tf.seeds import independent_seeds
from sac_tf.types import EnvironmentSpec


@gin.configurable
class Td3State(tf.Module):
    """Policy, critics, a target of each, optimizers, random generators and counters. A
    `TrainState`.

    Args:
      spec: of the task.
      seed: of weights and generators.
      discount: of one environment step, in [0, 1].
      policy: builds the policy.
      critic: builds the ensemble of critics.
      actor_optimizer: builds the optimizer of the policy.
      critic_optimizer: builds the optimizer of the critics.

    Attributes:
      policy: acts.
      actor: trains the policy; the target policy equals it at the start.
      critics: trains the critics, [observation, action] -> Q values [N, B]; the target critics
        equal them at the start.
      shared: the encoder of the critics, which the policy shares.
      generator, exploration_generator, updates, strategy: see `TrainState`.
      discount: of one environment step.
    """

    def __init__(
        self,
        spec: EnvironmentSpec,
        seed: int,
        discount: float,
        policy: MakePolicy,
        critic: MakeNetwork = make_critic,
        actor_optimizer: Callable[[], Optimizer] = actor_adam,
        critic_optimizer: Callable[[], Optimizer] = critic_adam,
    ):
        """Builds everything from `seed`; the same seed gives the same weights and draws."""
        super().__init__(name="td3_state")
        seeds = iter(independent_seeds(seed, 6))
        self.policy = policy(spec, next(seeds))
        critics = critic(spec, next(seeds))
        self.generator = tf.random.Generator.from_seed(next(seeds))
        self.exploration_generator = tf.random.Generator.from_seed(next(seeds))
        self.shared = share_encoder(self.policy, critics)
        target_policy = policy(spec, next(seeds))
        target_critics = critic(spec, next(seeds))
        targets.copy_values(target_policy, self.policy)
        targets.copy_values(target_critics, critics)
        self.actor = Trainable(self.policy, actor_optimizer(), target_policy)
        self.critics = Trainable(critics, critic_optimizer(), target_critics)
        self.updates = tf.Variable(0, dtype=tf.int64, name="updates")
        self.discount = discount
        self.strategy = devices.current_strategy()
