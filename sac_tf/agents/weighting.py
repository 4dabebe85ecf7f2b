"""Importance weights of a batch (1511.05952, section 3.4)."""

from typing import Any

import tensorflow as tf


def weigh(batch: Any, row_losses: tf.Tensor) -> tf.Tensor:
    """Returns losses [B] times the importance weights of the batch, if its sampler gave weights."""
    weight = getattr(batch, "weight", None)
    if weight is None:
        return row_losses
    return weight * row_losses
