"""Soft Actor-Critic (1801.01290, 1812.05905): three steps, and the update that joins them.

A step takes the state and a batch, changes the state, and returns its metrics (scalars). Variants replace a step, a
network or a number; none of them copies this file.
"""

from collections.abc import Callable
from typing import NamedTuple

import gin
import tensorflow as tf

from sac_tf.agents import losses
from sac_tf.agents.optimizers import minimize
from sac_tf.agents.state import TrainState, draw_seed
from sac_tf.errors import ConfigurationError, require_count, require_number
from sac_tf.types import Nest, Transition

Metrics = dict[str, tf.Tensor]
Minimize = Callable[..., tuple[Metrics, tf.Tensor]]
"""`optimizers.minimize`, or something around it that weighs rows or clips gradients."""


class Update(NamedTuple):
    """A compiled update: `run()` does `updates_per_call` of them and returns the metrics of the last."""

    run: Callable[[], Metrics]
    updates_per_call: int
    batch_size: int
    metric_names: tuple[str, ...]


@gin.register
def critic_step(
    state: TrainState,
    batch: Transition,
    gamma: float = 0.99,
    tau: float = 0.005,
    target_period: int = 1,
    loss: Callable[..., tf.Tensor] = losses.critic_loss,
    minimize: Minimize = minimize,
) -> Metrics:
    """Moves every critic towards the soft TD target, then the target critics towards the critics.

    Args:
      state: changed in place.
      batch: B transitions.
      gamma: discount of a step, in [0, 1].
      tau: Polyak rate of the targets, in (0, 1].
      target_period: the targets move with every so many calls.
      loss: f(Q values [N, B], target [B]) -> [B].
      minimize: takes the step.
    """
    require_number("critic_step.gamma", gamma, lambda value: 0 <= value <= 1, "a number from 0 to 1")
    require_number("critic_step.tau", tau, lambda value: 0 < value <= 1, "a number above 0 and at most 1")
    require_count("critic_step.target_period", target_period)
    target = soft_target(state, batch, gamma)

    def rows() -> tuple[tf.Tensor, tf.Tensor]:
        q = state.critic([batch.observation, batch.action], training=True)
        return loss(q, target), q

    metrics, q = minimize(rows, state.critic_optimizer, state.critic.trainable_variables)
    if target_period > 1:
        tau = tf.where(state.critic_optimizer.iterations % target_period == 0, tau, 0.0)
    update_targets(state, tau)
    td_error = tf.reduce_mean(tf.abs(q - target))
    return {**_prefixed("critic", metrics), "q_mean": tf.reduce_mean(q), "td_error": td_error}


def soft_target(state: TrainState, batch: Transition, gamma: float) -> tf.Tensor:
    """Returns the soft TD target [B], with a' freshly drawn from the policy."""
    next_action, next_log_prob = state.policy(batch.next_observation).sample_action(draw_seed(state.generator))
    next_q = state.target_critic([batch.next_observation, next_action])
    next_value = losses.soft_value(next_q, next_log_prob, state.alpha)
    return losses.td_target(batch.reward, batch.discount, gamma, next_value)


def update_targets(state: TrainState, tau: float | tf.Tensor) -> None:
    """Moves the target critics by `tau` of the way to the critics."""
    for target_variable, variable in zip(state.target_critic.variables, state.critic.variables, strict=True):
        target_variable.assign_add(tau * (variable - target_variable))


@gin.register
def actor_step(state: TrainState, batch: Transition, minimize: Minimize = minimize) -> tuple[Metrics, tf.Tensor]:
    """Moves the policy towards exp(Q / alpha). Returns metrics, and log pi [B] of the drawn actions."""
    seed = draw_seed(state.generator)
    metrics, log_prob = minimize(
        lambda: policy_loss(state, batch.observation, seed, training=True),
        state.actor_optimizer,
        state.actor.trainable_variables,
    )
    return {**_prefixed("actor", metrics), "entropy": -tf.reduce_mean(log_prob)}, log_prob


def policy_loss(state: TrainState, observation: Nest, seed: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the actor loss [B], and log pi [B], of actions drawn with `seed`."""
    action, log_prob = state.policy(observation, training).sample_action(seed)
    return losses.actor_loss(log_prob, state.critic([observation, action]), state.alpha), log_prob


@gin.register
def alpha_step(
    state: TrainState,
    log_prob: tf.Tensor,
    loss: Callable[..., tf.Tensor] = losses.log_alpha_loss,
    minimize: Minimize = minimize,
) -> Metrics:
    """Moves the temperature so that the policy's entropy comes to `state.target_entropy`.

    Args:
      state: changed in place.
      log_prob: log pi [B] of actions drawn in the actor step.
      loss: `log_alpha_loss` or `alpha_loss`.
      minimize: takes the step.
    """
    metrics, _ = minimize(
        lambda: (loss(state.log_alpha, log_prob, state.target_entropy), log_prob),
        state.alpha_optimizer,
        [state.log_alpha],
    )
    return _prefixed("alpha", metrics)


@gin.register
def make_update(
    state: TrainState,
    sample: Callable[[int], Transition],
    batch_size: int = 256,
    updates_per_call: int = 8,
    critic_steps_per_actor_step: int = 1,
    critic_step: Callable[..., Metrics] = critic_step,
    actor_step: Callable[..., tuple[Metrics, tf.Tensor]] = actor_step,
    alpha_step: Callable[..., Metrics] | None = alpha_step,
    jit_compile: bool = False,
) -> Update:
    """Joins the steps into one compiled function that does `updates_per_call` updates of `state`.

    Args:
      state: changed in place by each call.
      sample: f(B) returns a batch of B transitions; called inside the compiled function.
      batch_size: B of one update.
      updates_per_call: critic updates of one call, unrolled: no Python, and no barrier, stands between them.
      critic_steps_per_actor_step: an actor and an alpha step follow every so many critic steps.
      critic_step, actor_step, alpha_step: the steps; alpha_step None keeps the temperature fixed.
      jit_compile: compile the steps with XLA (slower on a CPU, faster on a GPU).

    Raises:
      ConfigurationError: a count that is not positive, or an actor step that would never come.
    """
    _check_counts(batch_size, updates_per_call, critic_steps_per_actor_step)

    steps = critic_step, actor_step, alpha_step
    learn = _joined(state, steps, updates_per_call, critic_steps_per_actor_step)
    learn = tf.function(learn, jit_compile=jit_compile, autograph=False)

    def run() -> Metrics:
        metrics = learn(sample(updates_per_call * batch_size))
        state.updates.assign_add(updates_per_call)
        return metrics

    return _compile(run, updates_per_call, batch_size)


def _joined(state: TrainState, steps: tuple, updates: int, critic_steps_per_actor_step: int) -> Callable[..., Metrics]:
    """Returns f(rows), `updates` updates in a row, to be compiled as a whole.

    The steps are traced into one function and are not functions of their own: the optimizer of TensorFlow 2.15 gives up
    on a graph that calls one function several times, which costs a sixth of the speed. No autograph: nothing here
    branches on a tensor, and errors keep their own words.
    """
    critic_step, actor_step, alpha_step = steps

    def learn(rows: Transition) -> Metrics:
        metrics: Metrics = {}
        for number, batch in enumerate(_split(rows, updates), start=1):
            metrics |= critic_step(state, batch)
            if number % critic_steps_per_actor_step == 0:
                actor_metrics, log_prob = actor_step(state, batch)
                metrics |= actor_metrics | ({} if alpha_step is None else alpha_step(state, log_prob))
        return {**metrics, "alpha": state.alpha}

    return learn


def _check_counts(batch_size: int, updates_per_call: int, critic_steps_per_actor_step: int) -> None:
    require_count("make_update.batch_size", batch_size)
    require_count("make_update.updates_per_call", updates_per_call)
    require_count("make_update.critic_steps_per_actor_step", critic_steps_per_actor_step)
    if updates_per_call % critic_steps_per_actor_step:
        raise ConfigurationError(
            f"make_update.updates_per_call={updates_per_call} must be a multiple of "
            f"make_update.critic_steps_per_actor_step={critic_steps_per_actor_step}."
        )


def _compile(run: Callable[[], Metrics], updates_per_call: int, batch_size: int) -> Update:
    """Traces now, so that a setting which cannot work is refused before the first step."""
    compiled = tf.function(run, autograph=False)
    metrics = compiled.get_concrete_function().structured_outputs
    return Update(compiled, updates_per_call, batch_size, tuple(sorted(metrics)))


def _split(rows: Transition, parts: int) -> list[Transition]:
    pieces = [tf.split(leaf, parts) for leaf in tf.nest.flatten(rows)]
    return [tf.nest.pack_sequence_as(rows, leaves) for leaves in zip(*pieces, strict=True)]


def _prefixed(prefix: str, metrics: Metrics) -> Metrics:
    return {f"{prefix}_{name}": value for name, value in metrics.items()}
