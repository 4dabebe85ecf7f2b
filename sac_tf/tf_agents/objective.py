"""Objective of the TF-Agents agent: batches, row weights, regularization, clipping, summaries."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

import tensorflow as tf
from tf_agents.trajectories import time_step as ts
from tf_agents.utils import common, eager_utils

from sac_tf import devices
from sac_tf.agents import optimizers
from sac_tf.types import Nest, Transition


class LossFn(Protocol):
    """A loss per row, as TF-Agents' `td_errors_loss_fn`."""

    def __call__(self, targets: tf.Tensor, predictions: tf.Tensor, /) -> tf.Tensor:
        """Takes targets [B] and predictions [B] and returns losses [B]."""


def core_batch(
    time_steps: ts.TimeStep, actions: Nest, next_time_steps: ts.TimeStep, reward_scale: float
) -> Transition:
    """Returns a batch for the core's steps, with TimeSteps as observations (see `networks`)."""
    return Transition(
        observation=time_steps,
        action=actions,
        reward=reward_scale * next_time_steps.reward,
        discount=next_time_steps.discount,
        next_observation=next_time_steps,
    )


def total_loss(
    rows: tf.Tensor, weights: tf.Tensor | float | None, regularization: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Returns losses per row whose mean is the weighted loss plus the regularization, for this
    replica's share of the batch.

    Args:
      rows: loss per row, [B]; or [B, T] for sequences, summed over time.
      weights: importance weights, scalar, [B] or [B, T]; a row with weight 0 may be NaN.
      regularization: the losses of the layers, scalars.

    Returns: [B].
    """
    if weights is not None:
        rows = tf.math.multiply_no_nan(rows, _like_rows(weights, rows))
    rows = tf.reduce_sum(rows, axis=list(range(1, rows.shape.rank)))
    if regularization:
        rows += tf.add_n([tf.reduce_sum(loss) for loss in regularization])
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas == 1:
        return rows
    return rows / replicas


def row_weights(time_step: ts.TimeStep, weights: tf.Tensor | float | None) -> tf.Tensor:
    """Returns weights [B] (or [B, T]) that exclude boundary rows, scaled so that the mean over all
    rows is the mean over the others.

    A boundary row starts at the last step of an episode and ends at the first step of the next: it
    is not a transition.
    """
    is_transition = tf.cast(tf.logical_not(time_step.is_last()), tf.float32)
    rows = tf.cast(tf.size(is_transition), tf.float32)
    own_weights = is_transition * tf.math.divide_no_nan(rows, tf.reduce_sum(is_transition))
    if weights is None:
        return own_weights
    return own_weights * _like_rows(weights, own_weights)


@dataclasses.dataclass(frozen=True)
class Minimizer:
    """`optimizers.minimize` with weights, regularization, clipping and summaries, for the steps of
    the core.

    Attributes:
      scale: factor of the loss.
      weights: see `total_loss`.
      regularization: returns the losses of the layers.
      gradient_clipping: maximum norm of the gradient of each variable; None: no clipping.
      summarize: whether to write summaries of gradients and variables.
      counter: step of the summaries.
    """

    scale: float
    weights: tf.Tensor | None
    regularization: Callable[[], Sequence[tf.Tensor]]
    gradient_clipping: float | None
    summarize: bool
    counter: tf.Variable

    def __call__(
        self,
        loss: Callable[[], tuple[tf.Tensor, tf.Tensor]],
        optimizer: optimizers.Optimizer,
        variables: Sequence,
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        # `minimize` averages over replicas, but the shares of `total_loss` must be summed.
        replicas = devices.replicas()

        def weighted() -> tuple[tf.Tensor, tf.Tensor]:
            rows, extra = loss()
            rows = replicas * self.scale * total_loss(rows, self.weights, self.regularization())
            return tf.debugging.check_numerics(rows, "The loss is not finite"), extra

        metrics, extra = optimizers.minimize(
            weighted, optimizer, variables, transform=self._transform
        )
        return {**metrics, "loss": metrics["loss"] / replicas}, extra

    def _transform(
        self, gradients: list[tf.Tensor], variables: Sequence[tf.Variable]
    ) -> list[tf.Tensor]:
        pairs = list(zip(gradients, variables, strict=True))
        if self.gradient_clipping is not None:
            pairs = eager_utils.clip_gradient_norms(pairs, self.gradient_clipping)
        if self.summarize:
            eager_utils.add_variables_summaries(pairs, self.counter)
            eager_utils.add_gradients_summaries(pairs, self.counter)
        return [gradient for gradient, _ in pairs]


def write_summaries(values: dict[str, tf.Tensor], counter: tf.Variable) -> None:
    """Writes histogram, mean, standard deviation, minimum and maximum of each tensor to the current
    summary writer."""
    for name, value in values.items():
        common.generate_tensor_summaries(name, value, counter)


def _like_rows(weights: tf.Tensor | float, rows: tf.Tensor) -> tf.Tensor:
    """Returns weights that broadcast against rows [B] or [B, T] from the left."""
    weights = tf.convert_to_tensor(weights, rows.dtype)
    missing = rows.shape.rank - weights.shape.rank
    if weights.shape.rank == 0 or missing == 0:
        return weights
    return tf.reshape(weights, tf.concat([tf.shape(weights), [1] * missing], 0))
