"""Soft Actor-Critic (1801.01290, 1812.05905): three steps, and the order in which they follow each
other.

A step takes the state and a batch, changes the state, and returns its metrics (scalars). Variants
replace a step, a network or a number; none of them copies this file.
"""

from collections.abc import Callable, Sequence

import gin
import tensorflow as tf

from sac_tf.agents.optimizers import minimize
from sac_tf.agents.sac import losses
from sac_tf.agents.sac.state import TrainState, averaged
from sac_tf.errors import ConfigurationError, require_count, require_number
from sac_tf.seeds import draw_seed
from sac_tf.types import Nest, Transition

Metrics = dict[str, tf.Tensor]
Minimize = Callable[..., tuple[Metrics, tf.Tensor]]
"""`optimizers.minimize`, or something around it that weighs rows or clips gradients."""
Pool = Callable[[tf.Tensor, tf.random.Generator], tf.Tensor]
"""Q values of an ensemble [N, B] -> [B]: `losses.minimum_q`, `mean_q` or `subset_minimum_q`."""


@gin.configurable
def critic_step(
    state: TrainState,
    batch: Transition,
    gamma: float = 0.99,
    tau: float = 0.005,
    target_period: int = 1,
    pool: Pool = losses.minimum_q,
    value: Callable[..., tf.Tensor] = losses.soft_value,
    loss: Callable[..., tf.Tensor] = losses.critic_loss,
    minimize: Minimize = minimize,
) -> tuple[Metrics, tf.Tensor]:
    """Moves every critic towards the TD target, then the target critics towards the critics.

    Args:
      state: changed in place.
      batch: B transitions.
      gamma: discount of a step, in [0, 1].
      tau: Polyak rate of the targets, in (0, 1].
      target_period: the targets move with every so many calls.
      pool: what the target takes of the target critics.
      value: f(pooled Q [B], log pi [B], alpha) -> V [B]: `losses.soft_value` or `hard_value`.
      loss: f(Q values [N, B], target [B]) -> [B].
      minimize: takes the step.

    Returns: metrics, and |Q - y| of each row, the mean over the critics [B].
    """
    require_number(
        "critic_step.gamma", gamma, lambda value: 0 <= value <= 1, "a number from 0 to 1"
    )
    require_number(
        "critic_step.tau", tau, lambda value: 0 < value <= 1, "a number above 0 and at most 1"
    )
    require_count("critic_step.target_period", target_period)
    target = td_target(state, batch, gamma, pool, value)

    def rows() -> tuple[tf.Tensor, tf.Tensor]:
        q = state.critic([batch.observation, batch.action], training=True)
        return loss(q, target), q

    metrics, q = minimize(rows, state.critic_optimizer, state.critic.trainable_variables)
    if target_period > 1:
        tau = tf.where(state.critic_optimizer.iterations % target_period == 0, tau, 0.0)
    update_targets(state, tau)
    return critic_metrics(metrics, q, target)


def td_target(
    state: TrainState,
    batch: Transition,
    gamma: float,
    pool: Pool = losses.minimum_q,
    value: Callable[..., tf.Tensor] = losses.soft_value,
) -> tf.Tensor:
    """Returns the TD target [B], with a' freshly drawn from the policy."""
    if state.target_critic is None:
        raise ConfigurationError(
            "critic_step needs target critics: TrainState.target_critic must not be None."
        )
    next_action, next_log_prob = state.policy(batch.next_observation).sample_action(
        draw_seed(state.generator)
    )
    next_q = pool(state.target_critic([batch.next_observation, next_action]), state.generator)
    return losses.td_target(
        batch.reward, batch.discount, gamma, value(next_q, next_log_prob, state.alpha)
    )


def update_targets(state: TrainState, tau: float | tf.Tensor) -> None:
    """Moves the target critics by `tau` of the way to the critics: gradient descent on half their
    squared distance.

    The kernel of gradient descent scales and adds in one pass over memory, where `assign_add` needs
    two.
    """
    for target, variable in averaged(state.target_critic, state.critic):
        tf.raw_ops.ResourceApplyGradientDescent(
            var=target.handle, alpha=tau, delta=target - variable
        )


def critic_metrics(metrics: Metrics, q: tf.Tensor, target: tf.Tensor) -> tuple[Metrics, tf.Tensor]:
    """Returns what a critic step returns, from Q values [N, B], targets [B] and the metrics of
    `minimize`."""
    td_error = tf.reduce_mean(tf.abs(q - target), axis=0)
    own = {"q_mean": tf.reduce_mean(q), "td_error": tf.reduce_mean(td_error)}
    return {**_prefixed("critic", metrics), **own}, td_error


@gin.configurable
def actor_step(
    state: TrainState,
    batch: Transition,
    pool: Pool = losses.minimum_q,
    minimize: Minimize = minimize,
) -> tuple[Metrics, tf.Tensor]:
    """Moves the policy towards exp(Q / alpha), Q pooled by `pool`. Returns metrics, and log pi [B]
    of drawn actions."""
    seed = draw_seed(state.generator)
    metrics, log_prob = minimize(
        lambda: policy_loss(state, batch.observation, seed, pool, training=True),
        state.actor_optimizer,
        state.actor.trainable_variables,
    )
    return {**_prefixed("actor", metrics), "entropy": -tf.reduce_mean(log_prob)}, log_prob


def policy_loss(
    state: TrainState,
    observation: Nest,
    seed: tf.Tensor,
    pool: Pool = losses.minimum_q,
    training: bool = False,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the actor loss [B], and log pi [B], of actions drawn with `seed`."""
    action, log_prob = state.policy(observation, training).sample_action(seed)
    q = pool(state.critic([observation, action]), state.generator)
    return losses.actor_loss(log_prob, q, state.alpha), log_prob


@gin.configurable
def alpha_step(
    state: TrainState,
    batch: Transition,
    log_prob: tf.Tensor,
    loss: Callable[..., tf.Tensor] = losses.log_alpha_loss,
    minimize: Minimize = minimize,
) -> Metrics:
    """Moves the temperature so that the policy's entropy comes to `state.target_entropy`.

    Args:
      state: changed in place.
      batch: B transitions, whose losses may have weights.
      log_prob: log pi [B] of actions drawn in the actor step.
      loss: `log_alpha_loss` or `alpha_loss`.
      minimize: takes the step.
    """
    del batch
    metrics, _ = minimize(
        lambda: (loss(state.log_alpha, state.alpha, log_prob, state.target_entropy), log_prob),
        state.alpha_optimizer,
        [state.log_alpha],
    )
    return _prefixed("alpha", metrics)


@gin.configurable
def last_batch(batches: Sequence[Transition]) -> Transition:
    """Returns the batch of the last critic step."""
    return batches[-1]


@gin.configurable
def whole_batch(batches: Sequence[Transition]) -> Transition:
    """Returns the batches of all critic steps as one: SERL's `update_high_utd`, seen from its
    minibatches."""
    return tf.nest.map_structure(lambda *leaves: tf.concat(leaves, 0), *batches)


@gin.configurable
def sac_steps(
    state: TrainState,
    batches: Sequence[Transition],
    critic_steps_per_actor_step: int = 1,
    actor_steps: int = 1,
    actor_batch: Callable[[Sequence[Transition]], Transition] = last_batch,
    critic_step: Callable[..., tuple[Metrics, tf.Tensor]] = critic_step,
    actor_step: Callable[..., tuple[Metrics, tf.Tensor]] = actor_step,
    alpha_step: Callable[..., Metrics] | None = alpha_step,
) -> tuple[Metrics, tf.Tensor]:
    """Takes a critic step on each batch, and between them the actor and temperature steps.

    Args:
      state, batches: what learns, and K batches of B rows each that it learns from.
      critic_steps_per_actor_step: actor and temperature follow every so many critic steps (20 in
        2101.05982).
      actor_steps: steps of actor and temperature then; as many as critic steps for TD3's delay made
        up for (CleanRL).
      actor_batch: what they learn from of the batches since the last time: `last_batch` or
        `whole_batch`.
      critic_step, actor_step, alpha_step: the steps; alpha_step None keeps the temperature fixed.

    Returns: the last metrics of each kind, and |Q - y| [K B] of all rows.
    """
    require_count("sac_steps.critic_steps_per_actor_step", critic_steps_per_actor_step)
    require_count("sac_steps.actor_steps", actor_steps)
    if len(batches) % critic_steps_per_actor_step:
        raise ConfigurationError(
            f"make_update.updates_per_call={len(batches)} must be a multiple of "
            f"sac_steps.critic_steps_per_actor_step={critic_steps_per_actor_step}."
        )
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
                metrics |= actor_metrics | (
                    {} if alpha_step is None else alpha_step(state, chosen, log_prob)
                )
    return {**metrics, "alpha": state.alpha}, tf.concat(td_errors, 0)


def _prefixed(prefix: str, metrics: Metrics) -> Metrics:
    return {f"{prefix}_{name}": value for name, value in metrics.items()}
