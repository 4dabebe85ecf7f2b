"""Behavior cloning: the policy imitates the actions of its batches, without rewards or critics."""

import functools
from collections.abc import Callable, Sequence
from typing import Protocol

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.agents import optimizers, views
from sac_tf.agents.agent import Agent, Steps
from sac_tf.agents.optimizers import Minimize, Optimizer, actor_adam
from sac_tf.agents.policy import ActionDistribution, MakePolicy, make_policy
from sac_tf.agents.trainable import Trainable
from sac_tf.agents.weighting import weigh
from sac_tf.errors import require_number
from sac_tf.seeds import independent_seeds
from sac_tf.types import EnvironmentSpec, Metrics, Transition


class CloningLoss(Protocol):
    """pi(.|s) and the actions of the batch [B, A] -> loss of each row [B]."""

    def __call__(self, distribution: ActionDistribution, action: tf.Tensor) -> tf.Tensor: ...


@gin.configurable
def negative_log_likelihood(
    distribution: ActionDistribution, action: tf.Tensor, epsilon: float = 1e-3
) -> tf.Tensor:
    """-log pi(a|s) [B].

    Args:
      distribution: pi(.|s).
      action: of the data, [B, A] in [-1, 1].
      epsilon: actions are clipped to 1 - epsilon, from 1e-6 on: a squashed policy reaches the
        bounds nowhere, and close to them the density is dominated by how close.

    Raises:
      ConfigurationError: `epsilon` is out of range.
    """
    require_number(
        "negative_log_likelihood.epsilon",
        epsilon,
        lambda x: 1e-6 <= x < 1,
        "a number of at least 1e-6 and below 1",
    )
    limit = 1 - epsilon
    return -distribution.log_prob_of_action(tf.clip_by_value(action, -limit, limit))


@gin.configurable
def mean_squared_error(distribution: ActionDistribution, action: tf.Tensor) -> tf.Tensor:
    """(mean action - a)^2 [B], the mean over action dimensions, which leaves the standard
    deviation of the policy alone.

    Args:
      distribution: pi(.|s).
      action: of the data, [B, A] in [-1, 1].
    """
    return tf.reduce_mean((distribution.mean_action() - action) ** 2, axis=-1)


@gin.configurable
class BcState(tf.Module):
    """A policy, its optimizer, random generators and a counter. A `TrainState`.

    Args:
      spec: of the task.
      seed: of weights and generators.
      discount: unused.
      policy: builds the policy.
      actor_optimizer: builds its optimizer.

    Attributes:
      policy: acts.
      actor: trains the policy, an encoder of images included.
      generator, exploration_generator, updates, strategy: see `TrainState`.
    """

    def __init__(
        self,
        spec: EnvironmentSpec,
        seed: int,
        discount: float,
        policy: MakePolicy,
        actor_optimizer: Callable[[], Optimizer] = actor_adam,
    ):
        """Builds everything from `seed`; the same seed gives the same weights and draws."""
        super().__init__(name="bc_state")
        del discount
        seeds = iter(independent_seeds(seed, 3))
        self.policy = policy(spec, next(seeds))
        self.generator = tf.random.Generator.from_seed(next(seeds))
        self.exploration_generator = tf.random.Generator.from_seed(next(seeds))
        self.actor = Trainable(self.policy, actor_optimizer())
        self.updates = tf.Variable(0, dtype=tf.int64, name="updates")
        self.strategy = devices.current_strategy()


@gin.configurable
def bc_steps(
    state: BcState,
    batches: Sequence[Transition],
    loss: CloningLoss = negative_log_likelihood,
    minimize: Minimize = optimizers.minimize,
) -> tuple[Metrics, tf.Tensor]:
    """Takes a step of the policy on each batch.

    Args:
      state, batches: changed in place, and K batches of B rows.
      loss: `negative_log_likelihood` or `mean_squared_error`.
      minimize: takes the gradient step.

    Returns: the last metrics, and the losses [K, B] of all rows.
    """
    rows = []
    for batch in batches:
        metrics, row_losses = minimize(
            functools.partial(_row_losses, state, batch, loss),
            state.actor.optimizer,
            state.policy.trainable_variables,
        )
        rows.append(row_losses)
    return optimizers.prefixed("actor", metrics), tf.stack(rows)


def _row_losses(
    state: BcState, batch: Transition, loss: CloningLoss
) -> tuple[tf.Tensor, tf.Tensor]:
    def of_view(view: Transition) -> tuple[tf.Tensor, tf.Tensor]:
        rows = loss(state.policy(view.observation, training=True), view.action)
        return weigh(view, rows), rows

    return views.mean_loss(of_view, batch)


@gin.configurable
def bc(
    policy: MakePolicy = make_policy,
    state: Callable[..., BcState] = BcState,
    steps: Steps = bc_steps,
) -> Agent:
    """Returns behavior cloning.

    Args:
      policy: builds the policy.
      state: builds the train state with that policy.
      steps: the steps of an update.
    """
    return Agent(policy, functools.partial(state, policy=policy), steps)
