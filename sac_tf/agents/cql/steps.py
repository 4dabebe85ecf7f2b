"""The steps of conservative Q-learning, CQL(H) (2006.04779), and of Cal-QL (2303.05479): SAC's for
stored data, with critics that stay low where the data have no actions."""

from collections.abc import Callable
from typing import Protocol

import gin
import tensorflow as tf

from sac_tf.agents import optimizers, pools, targets, views
from sac_tf.agents.cql import actions
from sac_tf.agents.cql import losses as cql_losses
from sac_tf.agents.optimizers import Minimize
from sac_tf.agents.pools import DeferredQ, Pool
from sac_tf.agents.sac import losses
from sac_tf.agents.sac.state import SacState
from sac_tf.agents.sac.steps import actor_metrics, critic_metrics
from sac_tf.agents.weighting import weigh
from sac_tf.errors import NOT_NEGATIVE, POSITIVE, ConfigurationError, require_count, require_number
from sac_tf.seeds import draw_seed
from sac_tf.types import RETURN_TO_GO, Metrics, Transition


@gin.configurable
def cql_gap(
    state: SacState,
    batch: Transition,
    weight: float = 5.0,
    sampled_actions: int = 10,
    temperature: float = 1.0,
    calibrate: bool = False,
) -> Callable[[], tuple[tf.Tensor, tf.Tensor]]:
    """Draws actions, and returns f() -> the Q values [N, B] of the data's actions and weight times
    the gap [N, B] between them and those of the drawn ones.

    Args:
      state, batch: of the critics, and B transitions.
      weight: of the gap.
      sampled_actions: n; the gap has n uniform actions, n of the policy at s and n at s'.
      temperature: T of the gap.
      calibrate: Cal-QL; needs `RETURN_TO_GO` in the batch.

    Raises:
      ConfigurationError: a number out of range, or a batch without returns to go.
    """
    require_number("cql_gap.weight", weight, *NOT_NEGATIVE)
    require_count("cql_gap.sampled_actions", sampled_actions)
    require_number("cql_gap.temperature", temperature, *POSITIVE)
    uniform = actions.uniform_actions(state, batch, sampled_actions)
    policies = actions.policy_actions(state, batch, sampled_actions)
    taken = tf.concat([batch.action[tf.newaxis], uniform.action, policies.action], axis=0)
    log_density = tf.concat([uniform.log_density, policies.log_density], axis=0)
    parts = [1, sampled_actions, 2 * sampled_actions]

    def values() -> tuple[tf.Tensor, tf.Tensor]:
        q = actions.trained_values(state, batch.observation, taken)
        q_data, q_uniform, q_policy = tf.split(q, parts, axis=1)
        if calibrate:
            q_policy = cql_losses.calibrated(q_policy, _return_to_go(batch))
        q_drawn = tf.concat([q_uniform, q_policy], axis=1)
        gap = cql_losses.conservative_gap(q_drawn, log_density, q_data[:, 0], temperature)
        return q_data[:, 0], weight * gap

    return values


class Gap(Protocol):
    """Draws what it needs, and returns f() -> Q values of the data's actions and their weighted
    gaps, each [N, B]."""

    def __call__(
        self, state: SacState, batch: Transition
    ) -> Callable[[], tuple[tf.Tensor, tf.Tensor]]: ...


@gin.configurable
def cql_step(
    state: SacState,
    batch: Transition,
    tau: float = 0.005,
    next_actions: int = 1,
    gap: Gap = cql_gap,
    value: losses.Value = losses.hard_value,
    target: losses.Target = losses.td_target,
    minimize: Minimize = optimizers.minimize,
) -> tuple[Metrics, tf.Tensor]:
    """A `CriticStep` on sum_i ((Q_i - y)^2 + multiplier * gap_i) / 2, then of the target critics.

    Args:
      state, batch: changed in place, and B transitions. A state without multiplier has 1.
      tau: Polyak rate of the target critics, in (0, 1].
      next_actions: actions drawn at s'; each target critic bootstraps from its best one.
      gap: the weighted gaps.
      value: `losses.hard_value`, or `soft_value` for entropy in the target.
      target: of the Q values.
      minimize: takes the gradient step.

    Raises:
      ConfigurationError: a number out of range, or a state without target critics.
    """
    next_value = _next_value(state, batch, next_actions, value)
    y = target(batch.reward, batch.discount, state.discount, next_value)
    values = gap(state, batch)
    critics = state.critics

    def row_losses() -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
        q, gaps = values()
        penalty = 0.5 * _multiplier(state) * tf.reduce_sum(gaps, axis=0)
        return weigh(batch, losses.critic_loss(q, y) + penalty), (q, gaps)

    targets.require_rate("cql_step.tau", tau)
    metrics, (q, gaps) = minimize(row_losses, critics.optimizer, critics.model.trainable_variables)
    targets.update_targets(critics.target, critics.model, tau)
    state.shared.copy()
    metrics, td_error = critic_metrics(metrics, q, y)
    return {**metrics, **_multiplier_step(state, batch, gaps, minimize)}, td_error


@gin.configurable
def cloning_actor_step(
    state: SacState,
    batch: Transition,
    cloning_updates: int = 0,
    pool: Pool = pools.minimum_q,
    minimize: Minimize = optimizers.minimize,
) -> tuple[Metrics, tf.Tensor]:
    """An `ActorStep` whose first updates clone the data's actions: alpha log pi(a'|s) - log pi(a|s)
    instead of alpha log pi(a'|s) - Q(s, a'), with a from the data and a' drawn from the policy
    (2006.04779, the authors' code).

    Args:
      state, batch: changed in place, and B rows.
      cloning_updates: number of these first updates.
      pool: from the Q values of the critics to those of the actor loss.
      minimize: takes the gradient step.
    """
    require_count("cloning_actor_step.cloning_updates", cloning_updates, minimum=0)
    seed = draw_seed(state.generator)
    is_cloning = state.actor.optimizer.iterations < cloning_updates

    def row_losses() -> tuple[tf.Tensor, tf.Tensor]:
        encoding = state.shared.encode(batch.observation)
        distribution = state.shared.policy(encoding, training=True)
        action, log_prob = distribution.sample_action(seed)
        q = pool(DeferredQ(state.shared.critics, [encoding, action]), state.generator)
        log_prob_of_data = distribution.log_prob_of_action(batch.action)
        benefit = tf.where(is_cloning, log_prob_of_data, q)
        return weigh(batch, losses.actor_loss(log_prob, benefit, state.alpha)), log_prob

    metrics, log_prob = minimize(
        row_losses, state.actor.optimizer, state.policy.trainable_variables
    )
    return actor_metrics(metrics, log_prob), log_prob


def _next_value(
    state: SacState, batch: Transition, next_actions: int, value: losses.Value
) -> tf.Tensor:
    """Returns V(s') [B]: the smallest of the target critics' values, each of its best action."""
    require_count("cql_step.next_actions", next_actions)
    views.require_one("cql_step", batch)
    target_critics = targets.require_targets("cql_step", state.critics)
    drawn = actions.drawn_actions(state, batch.next_observation, next_actions)
    q = actions.values(target_critics, batch.next_observation, drawn.action)
    return tf.reduce_min(tf.reduce_max(value(q, drawn.log_density, state.alpha), axis=1), axis=0)


def _return_to_go(batch: Transition) -> tf.Tensor:
    if RETURN_TO_GO not in batch.extras:
        raise ConfigurationError(
            "cql_gap.calibrate=True needs returns to go: set Windows.with_return_to_go to True."
        )
    return batch.extras[RETURN_TO_GO]


def _multiplier(state: SacState) -> tf.Tensor | float:
    return 1.0 if state.multiplier is None else state.multiplier.model.value


def _multiplier_step(
    state: SacState, batch: Transition, gaps: tf.Tensor, minimize: Minimize
) -> Metrics:
    """Raises the multiplier where the weighted gaps [N, B] are above the threshold, and lowers it
    where they are below."""
    metrics = {"gap": tf.reduce_mean(gaps)}
    if state.multiplier is None:
        return metrics
    model = state.multiplier.model
    excess = tf.reduce_mean(gaps, axis=0) - model.threshold

    def row_losses() -> tuple[tf.Tensor, tf.Tensor]:
        return weigh(batch, -model.value * excess), excess

    minimize(row_losses, state.multiplier.optimizer, [model.parameter])
    return {**metrics, "multiplier": model.value}
