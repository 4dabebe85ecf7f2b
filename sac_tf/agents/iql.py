"""Implicit Q-learning (2110.06169): learns from stored data, and evaluates no other actions."""

import functools
from collections.abc import Callable, Sequence

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.agents import optimizers, pools, targets, views
from sac_tf.agents.agent import Agent, Steps
from sac_tf.agents.optimizers import Optimizer, actor_adam, adam, critic_adam
from sac_tf.agents.policy import MakeNetwork, MakePolicy, make_policy
from sac_tf.agents.pools import DeferredQ, Pool
from sac_tf.agents.sac import losses
from sac_tf.agents.sac.steps import critic_metrics
from sac_tf.agents.targets import copy_of_critic
from sac_tf.agents.trainable import Trainable
from sac_tf.agents.weighting import weigh
from sac_tf.errors import POSITIVE, require_number
from sac_tf.networks.critic import make_critic
from sac_tf.networks.value import make_value
from sac_tf.pinned.gin_registry import InScope
from sac_tf.seeds import independent_seeds
from sac_tf.types import EnvironmentSpec, Metrics, Transition

value_adam = InScope("value", adam)


@gin.configurable
class IqlState(tf.Module):
    """Policy, critics, values, their optimizers, random generators and counters. A `TrainState`.

    Args:
      spec: of the task.
      seed: of weights and generators.
      discount: of one environment step, in [0, 1].
      policy: builds the policy.
      critic: builds the ensemble of critics.
      value: builds the network of state values.
      actor_optimizer, critic_optimizer, value_optimizer: build the optimizers.

    Attributes:
      policy: acts.
      actor: trains the policy.
      critics: trains the critics, [observation, action] -> Q values [N, B], with their targets.
      value: trains the state values, [observation] -> V [B].
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
        value: MakeNetwork = make_value,
        actor_optimizer: Callable[[], Optimizer] = actor_adam,
        critic_optimizer: Callable[[], Optimizer] = critic_adam,
        value_optimizer: Callable[[], Optimizer] = value_adam,
    ):
        """Builds everything from `seed`; the same seed gives the same weights and draws."""
        super().__init__(name="iql_state")
        seeds = iter(independent_seeds(seed, 6))
        self.policy = policy(spec, next(seeds))
        critics = critic(spec, next(seeds))
        self.generator = tf.random.Generator.from_seed(next(seeds))
        self.exploration_generator = tf.random.Generator.from_seed(next(seeds))
        target = copy_of_critic(critics, critic, spec, next(seeds))
        self.actor = Trainable(self.policy, actor_optimizer())
        self.critics = Trainable(critics, critic_optimizer(), target)
        self.value = Trainable(value(spec, next(seeds)), value_optimizer())
        self.updates = tf.Variable(0, dtype=tf.int64, name="updates")
        self.discount = discount
        self.strategy = devices.current_strategy()


def expectile_loss(advantage: tf.Tensor, expectile: float) -> tf.Tensor:
    """|tau - 1(u < 0)| u^2 (2110.06169, eq. 5).

    Args:
      advantage: u = Q(s, a) - V(s) [B].
      expectile: tau; 0.5 is the mean, and towards 1 it approaches the largest value.

    Returns: [B].
    """
    weight = tf.where(advantage < 0, 1 - expectile, expectile)
    return weight * tf.square(advantage)


def weighted_cloning_loss(
    log_prob: tf.Tensor, advantage: tf.Tensor, inverse_temperature: float, largest_weight: float
) -> tf.Tensor:
    """-min(exp(beta A), largest weight) log pi(a|s): advantage-weighted regression (2110.06169,
    eq. 7).

    Args:
      log_prob: log pi [B] of the actions in the data.
      advantage: A [B], treated as a constant.
      inverse_temperature: beta, above 0; near 0 this is behavior cloning.
      largest_weight: bound of the weights.

    Returns: [B].
    """
    weight = tf.minimum(tf.exp(inverse_temperature * advantage), largest_weight)
    return -tf.stop_gradient(weight) * log_prob


@gin.configurable
def iql_steps(
    state: IqlState,
    batches: Sequence[Transition],
    expectile: float = 0.7,
    inverse_temperature: float = 3.0,
    largest_weight: float = 100.0,
    tau: float = 0.005,
    pool: Pool = pools.minimum_q,
    target: losses.Target = losses.td_target,
) -> tuple[Metrics, tf.Tensor]:
    """`Steps` of value, critics, target critics and policy on each batch; targets and advantages
    are those before the step of the value, as in rlkit. The authors' JAX code takes them after it.

    Args:
      state, batches: changed in place, and K batches of B rows.
      expectile: of the target critics' values that V approaches, between 0 and 1.
      inverse_temperature: beta of the policy's weights exp(beta A).
      largest_weight: of a row in the policy's loss.
      tau: Polyak rate of the target critics, in (0, 1].
      pool: from the Q values of the target critics to those of the value's loss.
      target: of the Q values.

    Raises:
      ConfigurationError: a number out of range.
    """
    _require_numbers(expectile, inverse_temperature, largest_weight, tau)
    weights = {"inverse_temperature": inverse_temperature, "largest_weight": largest_weight}
    metrics: Metrics = {}
    td_errors = []
    for batch in batches:
        views.require_one("iql_steps", batch)
        next_value = state.value.model([batch.next_observation])
        value_metrics, advantage = _value_step(state, batch, expectile, pool)
        y = target(batch.reward, batch.discount, state.discount, next_value)
        critic_metrics, td_error = _critic_step(state, batch, y, tau)
        actor_metrics = _actor_step(state, batch, advantage, **weights)
        metrics = value_metrics | critic_metrics | actor_metrics
        td_errors.append(td_error)
    return metrics, tf.stack(td_errors)


def _require_numbers(
    expectile: float, inverse_temperature: float, largest_weight: float, tau: float
) -> None:
    require_number("iql_steps.expectile", expectile, lambda x: 0 < x < 1, "between 0 and 1")
    require_number("iql_steps.inverse_temperature", inverse_temperature, *POSITIVE)
    # Infinity is no bound.
    require_number("iql_steps.largest_weight", largest_weight, lambda x: x > 0, "a number above 0")
    targets.require_rate("iql_steps.tau", tau)


def _value_step(
    state: IqlState, batch: Transition, expectile: float, pool: Pool
) -> tuple[Metrics, tf.Tensor]:
    """Moves V to an expectile of the target critics; returns metrics and the advantage [B] before
    it."""
    q = pool(DeferredQ(state.critics.target, [batch.observation, batch.action]), state.generator)

    def row_losses() -> tuple[tf.Tensor, tf.Tensor]:
        advantage = q - state.value.model([batch.observation], training=True)
        return weigh(batch, expectile_loss(advantage, expectile)), advantage

    metrics, advantage = optimizers.minimize(
        row_losses, state.value.optimizer, state.value.model.trainable_variables
    )
    return {"value_loss": metrics["loss"], "advantage": tf.reduce_mean(advantage)}, advantage


def _critic_step(
    state: IqlState, batch: Transition, y: tf.Tensor, tau: float
) -> tuple[Metrics, tf.Tensor]:
    critics = state.critics

    def row_losses() -> tuple[tf.Tensor, tf.Tensor]:
        q = critics.model([batch.observation, batch.action], training=True)
        return weigh(batch, losses.critic_loss(q, y)), q

    metrics, q = optimizers.minimize(
        row_losses, critics.optimizer, critics.model.trainable_variables
    )
    targets.update_targets(critics.target, critics.model, tau)
    return critic_metrics(metrics, q, y)


def _actor_step(
    state: IqlState, batch: Transition, advantage: tf.Tensor, **weights: float
) -> Metrics:
    def row_losses() -> tuple[tf.Tensor, tf.Tensor]:
        log_prob = state.policy(batch.observation, training=True).log_prob_of_action(batch.action)
        rows = weighted_cloning_loss(log_prob, advantage, **weights)
        return weigh(batch, rows), log_prob

    metrics, log_prob = optimizers.minimize(
        row_losses, state.actor.optimizer, state.policy.trainable_variables
    )
    return {"actor_loss": metrics["loss"], "log_prob": tf.reduce_mean(log_prob)}


@gin.configurable
def iql(
    policy: MakePolicy = make_policy,
    state: Callable[..., IqlState] = IqlState,
    steps: Steps = iql_steps,
) -> Agent:
    """Returns implicit Q-learning.

    Args:
      policy: builds the policy.
      state: builds the train state with that policy.
      steps: the steps of an update.
    """
    return Agent(policy, functools.partial(state, policy=policy), steps)
