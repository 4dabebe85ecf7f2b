"""The steps of TD3 (1802.09477): critics at each update, the policy and all targets less often.

With one critic, no noise in the target and the policy at each update, they are those of DDPG
(1509.02971).
"""

from collections.abc import Sequence
from typing import Protocol

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.agents import optimizers, pools, targets, views
from sac_tf.agents.optimizers import Minimize
from sac_tf.agents.pools import DeferredQ, Pool
from sac_tf.agents.sac import losses as sac_losses
from sac_tf.agents.sac.steps import critic_metrics
from sac_tf.agents.td3 import losses
from sac_tf.agents.td3.state import Td3State
from sac_tf.agents.update import require_whole_turns
from sac_tf.agents.weighting import weigh
from sac_tf.errors import NOT_NEGATIVE, require_number
from sac_tf.seeds import draw_seed
from sac_tf.types import Metrics, Nest, Transition


class CriticStep(Protocol):
    """Changes the critics; returns metrics, and |Q - y| of each row [B], the mean over critics."""

    def __call__(self, state: Td3State, batch: Transition) -> tuple[Metrics, tf.Tensor]: ...


class ActorStep(Protocol):
    """Changes the policy and all targets; returns metrics."""

    def __call__(self, state: Td3State, batch: Transition) -> Metrics: ...


@gin.configurable
def td3_critic_step(
    state: Td3State,
    batch: Transition,
    noise_std: float = 0.2,
    noise_limit: float = 0.5,
    pool: Pool = pools.minimum_q,
    target: sac_losses.Target = sac_losses.td_target,
    loss: sac_losses.CriticLoss = sac_losses.critic_loss,
    minimize: Minimize = optimizers.minimize,
) -> tuple[Metrics, tf.Tensor]:
    """Moves every critic towards y = r + gamma Q_target(s', a'), a' the smoothed action of the
    target policy (1802.09477, algorithm 1). Changes no target.

    Args:
      state, batch: changed in place, and B transitions.
      noise_std: standard deviation of the noise of a', in units of [-1, 1]; 0 for none.
      noise_limit: largest absolute value of that noise.
      pool: from the Q values of the target critics to those of the TD target.
      target, loss: of the Q values.
      minimize: takes the gradient step.

    Raises:
      ConfigurationError: a number out of range, or several views.
    """
    views.require_one("td3_critic_step", batch)
    require_number("td3_critic_step.noise_std", noise_std, *NOT_NEGATIVE)
    require_number("td3_critic_step.noise_limit", noise_limit, *NOT_NEGATIVE)
    next_action = _target_action(state, batch.next_observation, noise_std, noise_limit)
    target_q = DeferredQ(state.critics.target, [batch.next_observation, next_action])
    next_q = pool(target_q, state.generator)
    y = target(batch.reward, batch.discount, state.discount, next_q)
    critics = state.critics

    def row_losses() -> tuple[tf.Tensor, tf.Tensor]:
        q = critics.model([batch.observation, batch.action], training=True)
        return weigh(batch, loss(q, y)), q

    metrics, q = minimize(row_losses, critics.optimizer, critics.model.trainable_variables)
    state.shared.copy()
    return critic_metrics(metrics, q, y)


def _target_action(
    state: Td3State, observation: Nest, noise_std: float, noise_limit: float
) -> tf.Tensor:
    """Returns the smoothed action of the target policy [B, A]."""
    action = state.actor.target(observation).mean_action()
    noise = noise_std * devices.normal_noise(action, draw_seed(state.generator))
    return losses.smoothed_action(action, noise, noise_limit)


@gin.configurable
def td3_actor_step(
    state: Td3State,
    batch: Transition,
    tau: float = 0.005,
    pool: Pool = pools.first_q,
    loss: losses.ActorLoss = losses.actor_loss,
    minimize: Minimize = optimizers.minimize,
) -> Metrics:
    """Moves the policy towards larger Q, then the target policy and the target critics towards
    theirs.

    Args:
      state, batch: changed in place, and B rows.
      tau: Polyak rate of all targets, in (0, 1].
      pool: from the Q values of the critics to those of the actor loss.
      loss: of the Q values.
      minimize: takes the gradient step.

    Raises:
      ConfigurationError: `tau` is out of range.
    """
    targets.require_rate("td3_actor_step.tau", tau)
    encoding = state.shared.encode(batch.observation)

    def row_losses() -> tuple[tf.Tensor, tf.Tensor]:
        action = state.shared.policy(encoding, training=True).mean_action()
        q = pool(DeferredQ(state.shared.critics, [encoding, action]), state.generator)
        return weigh(batch, loss(q, action, batch.action)), q

    metrics, _ = minimize(row_losses, state.actor.optimizer, state.policy.trainable_variables)
    for trained in (state.actor, state.critics):
        targets.update_targets(trained.target, trained.model, tau)
    return optimizers.prefixed("actor", metrics)


@gin.configurable
def td3_steps(
    state: Td3State,
    batches: Sequence[Transition],
    critic_steps_per_actor_step: int = 2,
    critic_step: CriticStep = td3_critic_step,
    actor_step: ActorStep = td3_actor_step,
) -> tuple[Metrics, tf.Tensor]:
    """Takes a critic step on each batch, and an actor step after some of them, on the same batch.

    Args:
      state, batches: changed in place, and K batches of B rows.
      critic_steps_per_actor_step: critic steps before each actor step.
      critic_step, actor_step: the step of the critics, and that of the policy and all targets.

    Returns: the last metrics of each kind, and |Q - y| [K, B] of all rows.

    Raises:
      ConfigurationError: K is not a multiple of `critic_steps_per_actor_step`.
    """
    setting = "td3_steps.critic_steps_per_actor_step"
    require_whole_turns(setting, critic_steps_per_actor_step, len(batches))
    metrics: Metrics = {}
    td_errors: list[tf.Tensor] = []
    for number, batch in enumerate(batches, start=1):
        critic_metrics, td_error = critic_step(state, batch)
        metrics |= critic_metrics
        td_errors.append(td_error)
        if number % critic_steps_per_actor_step == 0:
            metrics |= actor_step(state, batch)
    return metrics, tf.stack(td_errors)
