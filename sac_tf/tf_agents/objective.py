"""From losses per row to what TF-Agents optimizes: weights, regularization, clipped gradients, and
their summaries."""

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf
from tf_agents.trajectories import time_step as ts
from tf_agents.utils import common, eager_utils

from sac_tf import devices
from sac_tf.agents import optimizers


def total_loss(
    rows: tf.Tensor, weights: tf.Tensor | float | None, regularization: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Returns rows whose mean is the weighted loss plus its regularization, for this replica's
    share of the batch.

    Args:
      rows: loss per row, [B], or [B, T] of sequences, which are summed over time.
      weights: importance weights, scalar, [B] or [B, T]; a row with weight 0 may be NaN.
      regularization: the losses of the layers, scalars.

    Returns: [B].
    """
    if weights is not None:
        rows = tf.math.multiply_no_nan(rows, _like_rows(weights, rows))
    rows = tf.reduce_sum(rows, axis=list(range(1, rows.shape.rank)))
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if regularization:
        rows += tf.add_n([tf.reduce_sum(loss) for loss in regularization])
    return rows if replicas == 1 else rows / replicas


def row_weights(time_step: ts.TimeStep, weights: tf.Tensor | float | None) -> tf.Tensor:
    """Returns weights [B] (or [B, T]) that leave out boundary rows, and with which the mean is over
    the others.

    A row that starts at the last step of an episode joins it to the first of the next: there was no
      such transition.
    """
    is_real = tf.cast(tf.logical_not(time_step.is_last()), tf.float32)
    is_real *= tf.math.divide_no_nan(tf.cast(tf.size(is_real), tf.float32), tf.reduce_sum(is_real))
    return is_real if weights is None else is_real * _like_rows(weights, is_real)


@dataclasses.dataclass(frozen=True)
class Minimizer:
    """`optimizers.minimize` with weights, regularization, clipping and summaries; a step of the
    core takes it.

    Attributes:
      scale: factor of the loss.
      weights: see `total_loss`.
      regularization: gives the losses of the layers.
      gradient_clipping: largest norm of the gradient of each variable; None leaves them.
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
        replicas = (
            devices.replicas()
        )  # of which `minimize` takes the mean, and TF-Agents adds up shares

        def weighted() -> tuple[tf.Tensor, tf.Tensor]:
            rows, extra = loss()
            rows = replicas * self.scale * total_loss(rows, self.weights, self.regularization())
            return tf.debugging.check_numerics(rows, "The loss is not finite"), extra

        metrics, extra = optimizers.minimize(weighted, optimizer, variables, self._transform)
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
    """Writes histogram, mean, extremes and deviation of each tensor to the current summary
    writer."""
    for name, value in values.items():
        common.generate_tensor_summaries(name, value, counter)


def _like_rows(weights: tf.Tensor | float, rows: tf.Tensor) -> tf.Tensor:
    """Returns weights that broadcast against rows [B] or [B, T] from the left."""
    weights = tf.convert_to_tensor(weights, rows.dtype)
    missing = rows.shape.rank - weights.shape.rank if weights.shape.rank else 0
    return (
        tf.reshape(weights, tf.concat([tf.shape(weights), [1] * missing], 0))
        if missing
        else weights
    )
