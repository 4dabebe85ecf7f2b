"""CrossQ (1902.05605): batch-normalized critics without target networks."""

import gin
import tensorflow as tf

from sac_tf.agents import optimizers, passes, pools, targets, views
from sac_tf.agents.optimizers import Minimize
from sac_tf.agents.pools import ComputedQ, Pool
from sac_tf.agents.sac import losses, steps
from sac_tf.agents.sac.state import SacState
from sac_tf.agents.weighting import weigh
from sac_tf.types import Metrics, Transition


@gin.configurable
def crossq_step(
    state: SacState,
    batch: Transition,
    pool: Pool = pools.minimum_q,
    value: losses.Value = losses.soft_value,
    target: losses.Target = losses.td_target,
    loss: losses.CriticLoss = losses.critic_loss,
    minimize: Minimize = optimizers.minimize,
) -> tuple[Metrics, tf.Tensor]:
    """Moves every critic towards a TD target of the critics themselves (1902.05605, figure 2).

    Q values and target come from one pass over 2B rows in training mode: batch normalization uses
    the statistics of both halves. No gradient flows through (s', a'); its policy uses moving ones.

    Args: as for `steps.critic_step`, and so is the result.
      pool, value, target: of the TD target.

    Raises:
      ConfigurationError: the state has target critics, or the batch has several views.
    """
    critics = state.critics
    targets.require_no_targets("crossq_step", critics)
    views.require_one("crossq_step", batch)
    now, after, next_log_prob = passes.pairs_of(batch, state.policy, state.generator)

    def row_losses() -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
        q, next_q = passes.pass_over_both(critics.model, now, after)
        next_value = value(pool(ComputedQ(next_q), state.generator), next_log_prob, state.alpha)
        y = target(batch.reward, batch.discount, state.discount, next_value)
        return weigh(batch, loss(q, y)), (q, y)

    metrics, (q, y) = minimize(row_losses, critics.optimizer, critics.model.trainable_variables)
    state.shared.copy()
    return steps.critic_metrics(metrics, q, y)
