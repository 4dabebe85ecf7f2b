"""The critic step of categorical critics: a cross-entropy to a distribution over returns."""

from collections.abc import Callable
from typing import Protocol

import gin
import tensorflow as tf

from sac_tf.agents import optimizers, passes, pools, targets, views
from sac_tf.agents.optimizers import Minimize
from sac_tf.agents.passes import Pass
from sac_tf.agents.pools import ComputedQ, Pool
from sac_tf.agents.sac import losses
from sac_tf.agents.sac.state import SacState
from sac_tf.agents.sac.steps import critic_metrics
from sac_tf.agents.trainable import Trainable
from sac_tf.agents.weighting import weigh
from sac_tf.errors import POSITIVE, require_number
from sac_tf.networks.categorical import CategoricalCritic
from sac_tf.types import Metrics, Transition


class Projection(Protocol):
    """Distributions over any returns -> distributions over the returns of the critics."""

    def __call__(
        self, returns: tf.Tensor, probabilities: tf.Tensor, support: tf.Tensor
    ) -> tf.Tensor:
        """Returns probabilities [B, n].

        Args:
          returns: [B, m].
          probabilities: of the returns [B, m].
          support: returns of the critics [n], evenly spaced.
        """


@gin.configurable
def two_bins(returns: tf.Tensor, probabilities: tf.Tensor, support: tf.Tensor) -> tf.Tensor:
    """`Projection` of each return to its two neighbors (1707.06887, eq. 7)."""
    distance = support[1] - support[0]
    clipped = tf.clip_by_value(returns, support[0], support[-1])
    position = (clipped - support[0]) / distance
    below = tf.floor(position)
    rest = position - below
    n = support.shape[0]
    lower = tf.cast(below, tf.int32)
    upper = tf.minimum(lower + 1, n - 1)
    rows = n * tf.range(tf.shape(returns)[0])[:, tf.newaxis]
    mass = tf.concat([probabilities * (1 - rest), probabilities * rest], axis=1)
    cells = rows + tf.concat([lower, upper], axis=1)
    number = n * tf.shape(returns)[0]
    sums = tf.math.unsorted_segment_sum(tf.reshape(mass, [-1]), tf.reshape(cells, [-1]), number)
    return tf.reshape(sums, [-1, n])


@gin.configurable
def hl_gauss(
    returns: tf.Tensor, probabilities: tf.Tensor, support: tf.Tensor, std: float = 0.75
) -> tf.Tensor:
    """`Projection` of the mean return to a Gaussian around it, cut off at the ends (HL-Gauss,
    2403.03950, section 3.1): the cheaper one.

    Args:
      std: standard deviation of the Gaussian, in units of the distance between two returns.

    Raises:
      ConfigurationError: `std` is not above 0.
    """
    require_number("hl_gauss.std", std, *POSITIVE)
    distance = support[1] - support[0]
    mean = tf.reduce_sum(probabilities * returns, axis=1, keepdims=True)
    mean = tf.clip_by_value(mean, support[0], support[-1])
    edges = tf.concat([support - distance / 2, support[-1:] + distance / 2], axis=0)
    below = tf.math.erf((edges - mean) / (std * distance * tf.sqrt(2.0)))
    mass = below[:, 1:] - below[:, :-1]
    return mass / (below[:, -1:] - below[:, :1])


def mixture(
    pool: Pool,
    logits: tf.Tensor,
    mean: Callable[[tf.Tensor], tf.Tensor],
    generator: tf.random.Generator,
) -> tf.Tensor:
    """Returns the mixture [B, n] of the critics' distributions that has the mean of a pool.

    The share of a critic is d pool / d Q: with `minimum_q` 1 for the smallest Q value of a row and
    0 for the others, with `mean_q` 1 / N for all.

    Args:
      pool: whose mean the mixture has.
      logits: [N, B, n].
      mean: logits -> Q values [N, B].
      generator: for pools that draw.
    """
    q = mean(logits)
    with tf.GradientTape() as tape:
        tape.watch(q)
        pooled = pool(ComputedQ(q), generator)
    shares = tf.convert_to_tensor(tape.gradient(pooled, q))
    return tf.reduce_sum(shares[..., tf.newaxis] * tf.nn.softmax(logits), axis=0)


def cross_entropy(logits: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """-sum_j m_j log p_j, summed over the critics, [B], for logits [N, B, n] and a target m
    [B, n]."""
    targets = tf.broadcast_to(target, tf.shape(logits))
    return tf.reduce_sum(tf.nn.softmax_cross_entropy_with_logits(targets, logits), axis=0)


@gin.configurable
def categorical_step(
    state: SacState,
    batch: Transition,
    tau: float = 0.005,
    pool: Pool = pools.minimum_q,
    value: losses.Value = losses.soft_value,
    target: losses.Target = losses.td_target,
    projection: Projection = two_bins,
    forward: Pass = passes.separate_pass,
    minimize: Minimize = optimizers.minimize,
) -> tuple[Metrics, tf.Tensor]:
    """Moves every critic towards the distribution of the TD target, then the target critics.

    Args:
      state, batch, tau, minimize: as for `critic_step`.
      pool: with `minimum_q` the target has, in each row, the distribution with the smallest mean.
      value, target, projection: of each return, and `two_bins` or `hl_gauss` of all.
      forward: how critics see (s, a) and (s', a'): `separate_pass` or `joint_pass`.

    Raises:
      ConfigurationError: a number out of range, critics with another head, or several views.
    """
    views.require_one("categorical_step", batch)
    targets.require_rate("categorical_step.tau", tau)
    now, after, next_log_prob = passes.pairs_of(batch, state.policy, state.generator)
    trained = state.critics
    critics, behind = _categorical(trained)
    next_logits = forward(behind.logits, after, now, training=False)
    probabilities = mixture(pool, next_logits, behind.mean, state.generator)
    returns = _returns(state, batch, next_log_prob, behind.support, value=value, target=target)
    y = tf.stop_gradient(projection(returns, probabilities, behind.support))

    def row_losses() -> tuple[tf.Tensor, tf.Tensor]:
        logits = forward(critics.logits, now, after, training=True)
        return weigh(batch, cross_entropy(logits, y)), critics.mean(logits)

    metrics, q = minimize(row_losses, trained.optimizer, trained.model.trainable_variables)
    targets.update_targets(trained.target, trained.model, tau)
    state.shared.copy()
    return critic_metrics(metrics, q, tf.linalg.matvec(y, behind.support))


@gin.configurable
def categorical_crossq_step(
    state: SacState,
    batch: Transition,
    pool: Pool = pools.minimum_q,
    value: losses.Value = losses.soft_value,
    target: losses.Target = losses.td_target,
    projection: Projection = two_bins,
    minimize: Minimize = optimizers.minimize,
) -> tuple[Metrics, tf.Tensor]:
    """Moves every critic towards the distribution of a TD target of the critics themselves: one
    pass over (s, a) and (s', a') in training mode, without target critics (CrossQ, 1902.05605).

    Args: as for `categorical_step`, and so is the result.
      pool, value, target, projection: of the TD target.

    Raises:
      ConfigurationError: the state has target critics, critics with another head, or several views.
    """
    trained = state.critics
    targets.require_no_targets("categorical_crossq_step", trained)
    views.require_one("categorical_crossq_step", batch)
    now, after, next_log_prob = passes.pairs_of(batch, state.policy, state.generator)
    critics = CategoricalCritic(trained.model)
    returns = _returns(state, batch, next_log_prob, critics.support, value=value, target=target)

    def row_losses() -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
        logits, next_logits = passes.pass_over_both(critics.logits, now, after)
        others = tf.stop_gradient(next_logits)
        probabilities = mixture(pool, others, critics.mean, state.generator)
        y = tf.stop_gradient(projection(returns, probabilities, critics.support))
        return weigh(batch, cross_entropy(logits, y)), (critics.mean(logits), y)

    metrics, (q, y) = minimize(row_losses, trained.optimizer, trained.model.trainable_variables)
    state.shared.copy()
    return critic_metrics(metrics, q, tf.linalg.matvec(y, critics.support))


def _categorical(trained: Trainable) -> tuple[CategoricalCritic, CategoricalCritic]:
    """Returns the critics and the target critics."""
    target = targets.require_targets("categorical_step", trained)
    return CategoricalCritic(trained.model), CategoricalCritic(target)


def _returns(
    state: SacState,
    batch: Transition,
    next_log_prob: tf.Tensor,
    support: tf.Tensor,
    value: losses.Value,
    target: losses.Target,
) -> tf.Tensor:
    """Returns the TD target of each return of the critics, [B, n]."""
    next_value = value(support, next_log_prob[:, tf.newaxis], state.alpha)
    columns = (batch.reward[:, tf.newaxis], batch.discount[:, tf.newaxis])
    return target(*columns, state.discount, next_value)
