"""CrossQ (1902.05605): critics that batch normalisation steadies, in the place of target
critics."""

from collections.abc import Callable

import gin
import tensorflow as tf

from sac_tf.agents.optimizers import minimize
from sac_tf.agents.sac import losses, steps
from sac_tf.agents.sac.state import TrainState
from sac_tf.errors import ConfigurationError, require_number
from sac_tf.seeds import draw_seed
from sac_tf.types import Transition


@gin.configurable
def crossq_step(
    state: TrainState,
    batch: Transition,
    gamma: float = 0.99,
    pool: steps.Pool = losses.minimum_q,
    value: Callable[..., tf.Tensor] = losses.soft_value,
    loss: Callable[..., tf.Tensor] = losses.critic_loss,
    minimize: steps.Minimize = minimize,
) -> tuple[steps.Metrics, tf.Tensor]:
    """Moves every critic towards a target of its own, both taken from one pass over 2B rows
    (1902.05605, figure 2).

    The pass in training mode over (s, a) and (s', a') together lets batch normalisation see the
    rows of both. No gradient flows through the half of (s', a'). The policy that draws a' acts by
    its moving statistics.

    Args and result: as for `steps.critic_step`.

    Raises:
      ConfigurationError: the state has target critics.
    """
    require_number(
        "crossq_step.gamma", gamma, lambda value: 0 <= value <= 1, "a number from 0 to 1"
    )
    if state.target_critic is not None:
        raise ConfigurationError(
            "crossq_step learns without target critics: set TrainState.target_critic to None."
        )
    next_action, next_log_prob = state.policy(batch.next_observation).sample_action(
        draw_seed(state.generator)
    )
    now, after = (batch.observation, batch.action), (batch.next_observation, next_action)
    both = tf.nest.map_structure(lambda *leaves: tf.concat(leaves, 0), now, after)

    def rows() -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
        q, next_q = tf.split(state.critic(list(both), training=True), 2, axis=1)
        next_value = value(pool(next_q, state.generator), next_log_prob, state.alpha)
        target = losses.td_target(batch.reward, batch.discount, gamma, next_value)
        return loss(q, target), (q, target)

    metrics, (q, target) = minimize(rows, state.critic_optimizer, state.critic.trainable_variables)
    return steps.critic_metrics(metrics, q, target)
