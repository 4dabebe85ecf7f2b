"""The steps of Soft Actor-Critic (1801.01290, 1812.05905): critic, actor and temperature.

A step takes the state and a batch, changes the state, and returns its metrics (scalars). Variants
replace a step, a network or a number; none of them copies this file.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Protocol

import gin
import tensorflow as tf

from sac_tf.agents import optimizers, passes, pools, targets, views
from sac_tf.agents.optimizers import Minimize
from sac_tf.agents.pools import DeferredQ, Pool
from sac_tf.agents.sac import losses
from sac_tf.agents.sac.state import SacState
from sac_tf.agents.update import require_whole_turns
from sac_tf.agents.weighting import weigh
from sac_tf.errors import ConfigurationError, require_count
from sac_tf.networks.temperature import require_reachable
from sac_tf.seeds import draw_seed
from sac_tf.types import Metrics, Nest, Transition


class CriticStep(Protocol):
    """Changes the critics; returns metrics, and |Q - y| of each row [B], the mean over critics."""

    def __call__(self, state: SacState, batch: Transition) -> tuple[Metrics, tf.Tensor]: ...


class ActorStep(Protocol):
    """Changes the actor; returns metrics, and log pi [B] of the actions drawn."""

    def __call__(self, state: SacState, batch: Transition) -> tuple[Metrics, tf.Tensor]: ...


class AlphaStep(Protocol):
    """Changes the temperature, given log pi [B] from the actor's step; returns metrics."""

    def __call__(self, state: SacState, batch: Transition, log_prob: tf.Tensor) -> Metrics: ...


@gin.configurable
def critic_step(
    state: SacState,
    batch: Transition,
    tau: float = 0.005,
    target_period: int = 1,
    pool: Pool = pools.minimum_q,
    value: losses.Value = losses.soft_value,
    target: losses.Target = losses.td_target,
    loss: losses.CriticLoss = losses.critic_loss,
    minimize: Minimize = optimizers.minimize,
) -> tuple[Metrics, tf.Tensor]:
    """Moves every critic towards the TD target, then the target critics towards the critics.

    Args:
      state, batch: changed in place, and B transitions; of several views the mean loss counts.
      tau: Polyak rate of the target critics, in (0, 1].
      target_period: calls between two updates of the target critics.
      pool: from the Q values of the target critics to those of the TD target.
      value: `losses.soft_value` or `hard_value`.
      target, loss, minimize: of the Q values, and what takes the gradient step.

    Raises:
      ConfigurationError: a number out of range, or a state without target critics.
    """
    targets.require_rate("critic_step.tau", tau)
    require_count("critic_step.target_period", target_period)
    y = td_target(state, batch, state.discount, pool=pool, value=value, target=target)
    critics = state.critics

    def view_losses(view: Transition) -> tuple[tf.Tensor, tf.Tensor]:
        q = critics.model([view.observation, view.action], training=True)
        return weigh(view, loss(q, y)), q

    losses_of = functools.partial(views.mean_loss, view_losses, batch)
    metrics, q = minimize(losses_of, critics.optimizer, critics.model.trainable_variables)
    if target_period > 1:
        tau = tf.where(critics.optimizer.iterations % target_period == 0, tau, 0.0)
    targets.update_targets(critics.target, critics.model, tau)
    state.shared.copy()
    return critic_metrics(metrics, q, y)


def td_target(
    state: SacState,
    batch: Transition,
    discount: float,
    pool: Pool = pools.minimum_q,
    value: losses.Value = losses.soft_value,
    target: losses.Target = losses.td_target,
) -> tf.Tensor:
    """Returns the TD target [B], with a' freshly drawn from the policy: the mean over the views of
    the next observation."""
    target_critics = targets.require_targets("critic_step", state.critics)

    def target_of_view(view: Transition) -> tf.Tensor:
        seed = draw_seed(state.generator)
        next_action, next_log_prob = state.policy(view.next_observation).sample_action(seed)
        target_q = DeferredQ(target_critics, [view.next_observation, next_action])
        next_q = pool(target_q, state.generator)
        next_value = value(next_q, next_log_prob, state.alpha)
        return target(view.reward, view.discount, discount, next_value)

    return views.mean_target(target_of_view, batch)


def critic_metrics(metrics: Metrics, q: tf.Tensor, target: tf.Tensor) -> tuple[Metrics, tf.Tensor]:
    """Returns what a `CriticStep` returns, from Q values [N, B], targets [B] and the metrics of
    `minimize`."""
    td_error = tf.reduce_mean(tf.abs(q - target), axis=0)
    own = {"q_mean": tf.reduce_mean(q), "td_error": tf.reduce_mean(td_error)}
    return {**optimizers.prefixed("critic", metrics), **own}, td_error


@gin.configurable
def actor_step(
    state: SacState,
    batch: Transition,
    pool: Pool = pools.minimum_q,
    joint: bool = False,
    minimize: Minimize = optimizers.minimize,
) -> tuple[Metrics, tf.Tensor]:
    """Moves the policy towards exp(Q / alpha), with Q from `pool` (1812.05905, eq. 7).

    Args:
      state, batch: changed in place, and B rows.
      pool: from the Q values of the critics to those of the actor loss.
      joint: whether the policy sees the next observations in the same pass, for the statistics of
        batch normalization (FlashSAC, 2604.04539).
      minimize: takes the gradient step.

    Returns: metrics, and log pi [B] of the actions drawn.
    """
    seed = draw_seed(state.generator)
    others = batch.next_observation if joint else None

    def row_losses() -> tuple[tf.Tensor, tf.Tensor]:
        values, log_prob = policy_loss(
            state, batch.observation, seed, pool=pool, training=True, others=others
        )
        return weigh(batch, values), log_prob

    metrics, log_prob = minimize(
        row_losses, state.actor.optimizer, state.policy.trainable_variables
    )
    return actor_metrics(metrics, log_prob), log_prob


def actor_metrics(metrics: Metrics, log_prob: tf.Tensor) -> Metrics:
    """Returns the metrics of an `ActorStep`, from those of `minimize` and log pi [B]."""
    return {**optimizers.prefixed("actor", metrics), "entropy": -tf.reduce_mean(log_prob)}


def policy_loss(
    state: SacState,
    observation: Nest,
    seed: tf.Tensor,
    pool: Pool = pools.minimum_q,
    training: bool = False,
    others: Nest | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the actor loss [B], and log pi [B], of actions drawn with `seed`; the policy sees
    `others`, more observations, in the same pass."""
    encoding = state.shared.encode(observation)
    seen = encoding
    if others is not None:
        seen = passes.joined(encoding, state.shared.encode(others))
    action, log_prob = state.shared.policy(seen, training=training).sample_action(seed)
    if others is not None:
        action, _ = tf.split(action, 2)
        log_prob, _ = tf.split(log_prob, 2)
    q = pool(DeferredQ(state.shared.critics, [encoding, action]), state.generator)
    return losses.actor_loss(log_prob, q, state.alpha), log_prob


@gin.configurable
def alpha_step(
    state: SacState,
    batch: Transition,
    log_prob: tf.Tensor,
    loss: losses.AlphaLoss = losses.log_alpha_loss,
    minimize: Minimize = optimizers.minimize,
) -> Metrics:
    """Moves the temperature so that the policy's entropy approaches `state.target_entropy`.

    Args:
      state: changed in place.
      batch: B transitions, which may have importance weights.
      log_prob: log pi [B] of the actions drawn in the actor step.
      loss: `losses.log_alpha_loss` or `alpha_loss`.
      minimize: takes the gradient step.

    Raises:
      ConfigurationError: the temperature of the state is fixed.
    """

    if state.temperature.optimizer is None:
        raise ConfigurationError(
            "SacState.alpha_optimizer=None needs a fixed temperature: set sac.alpha_step to None."
        )
    parameter = state.temperature.model.parameter

    def row_losses() -> tuple[tf.Tensor, tf.Tensor]:
        values = loss(parameter, state.alpha, log_prob, state.target_entropy)
        return weigh(batch, values), log_prob

    metrics, _ = minimize(row_losses, state.temperature.optimizer, [parameter])
    return optimizers.prefixed("alpha", metrics)


@gin.configurable
def last_batch(batches: Sequence[Transition]) -> Transition:
    """Returns the batch of the last critic step."""
    return batches[-1]


@gin.configurable
def whole_batch(batches: Sequence[Transition]) -> Transition:
    """Returns the batches of all critic steps as one: SERL's `update_high_utd`."""
    return passes.joined(*batches)


@gin.configurable
def sac_steps(
    state: SacState,
    batches: Sequence[Transition],
    alpha_step: AlphaStep | None,
    critic_steps_per_actor_step: int = 1,
    actor_steps: int = 1,
    actor_batch: Callable[[Sequence[Transition]], Transition] = last_batch,
    critic_step: CriticStep = critic_step,
    actor_step: ActorStep = actor_step,
) -> tuple[Metrics, tf.Tensor]:
    """Takes a critic step on each batch, and actor and temperature steps between them.

    Args:
      state, batches: changed in place, and K batches of B rows.
      alpha_step: the step of the temperature; None for a fixed one.
      critic_steps_per_actor_step: critic steps before each turn of actor and temperature.
      actor_steps: actor and temperature steps in a turn; CleanRL takes one per critic step.
      actor_batch: batch of the actor steps: `last_batch`, or `whole_batch` of all in the turn.
      critic_step, actor_step: `critic_step` or `crossq_step`, and the step of the policy.

    Returns: the last metrics of each kind, and |Q - y| [K, B] of all rows.
    """
    require_count("sac_steps.actor_steps", actor_steps)
    setting = "sac_steps.critic_steps_per_actor_step"
    require_whole_turns(setting, critic_steps_per_actor_step, len(batches))
    metrics: Metrics = {}
    td_errors: list[tf.Tensor] = []
    for number, batch in enumerate(batches, start=1):
        critic_metrics, td_error = critic_step(state, batch)
        metrics |= critic_metrics
        td_errors.append(td_error)
        if number % critic_steps_per_actor_step == 0:
            chosen = actor_batch(batches[number - critic_steps_per_actor_step : number])
            for _ in range(actor_steps):
                actor_metrics, log_prob = actor_step(state, chosen)
                metrics |= actor_metrics
                if alpha_step is not None:
                    require_reachable(state.target_entropy, chosen.action.shape[-1])
                    metrics |= alpha_step(state, chosen, log_prob)
    return {**metrics, "alpha": state.alpha}, tf.stack(td_errors)
