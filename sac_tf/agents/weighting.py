"""Importance weights of a batch (1511.05952, section 3.4)."""

from typing import Any

import tensorflow as tf


def weigh(batch: Any, row_losses: tf.Tensor) -> tf.Tensor:
    """Returns losses [B] times the importance weights of the batch, if its sampler gave weights."""
    weight = getattr(batch, "weight", None)
    return row_losses if weight is None else weight * row_losses
