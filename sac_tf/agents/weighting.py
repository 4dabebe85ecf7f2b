"""Importance weights of a batch (1511.05952, section 3.4)."""

import tensorflow as tf

from sac_tf.types import WEIGHT, Transition


def weigh(batch: Transition, row_losses: tf.Tensor) -> tf.Tensor:
    """Returns losses [B] times the importance weights of the batch, if its source gave weights."""
    if WEIGHT not in batch.extras:
        return row_losses
    return batch.extras[WEIGHT] * row_losses
