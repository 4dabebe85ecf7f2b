"""Importance weights in the loss of any step (1511.05952, section 3.4)."""

from collections.abc import Callable, Sequence
from typing import Any

import gin
import tensorflow as tf

from sac_tf.agents.optimizers import Optimizer, minimize
from sac_tf.agents.sac.state import TrainState
from sac_tf.agents.sac.steps import Minimize
from sac_tf.errors import ConfigurationError


@gin.configurable
def weighted_step(
    state: TrainState, batch: Any, *others: Any, step: Callable, minimize: Minimize = minimize
) -> Any:
    """Takes `step(state, batch, *others)` with the loss of each row times `batch.weight` [B], and
    returns its result.

    Raises:
      ConfigurationError: the batch has no weights.
    """
    if not hasattr(batch, "weight"):
        raise ConfigurationError(
            "weighted_step finds no weights in its batch; use "
            "BatchReader.sampler=@PrioritizedSampler."
        )

    def minimize_weighted(
        loss: Callable, optimizer: Optimizer, variables: Sequence[tf.Variable]
    ) -> Any:
        def rows() -> tuple[tf.Tensor, tf.Tensor]:
            values, extra = loss()
            return batch.weight * values, extra

        return minimize(rows, optimizer, variables)

    return step(state, batch, *others, minimize=minimize_weighted)
