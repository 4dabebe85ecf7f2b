"""Pools: from the Q values of an ensemble [N, B] to one value per row [B]."""

from typing import Protocol

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.errors import ConfigurationError, require_count


class Pool(Protocol):
    """Q values [N, B], and a generator for pools that draw -> [B]."""

    def __call__(self, q: tf.Tensor, generator: tf.random.Generator) -> tf.Tensor: ...


@gin.configurable
def minimum_q(q: tf.Tensor, generator: tf.random.Generator) -> tf.Tensor:
    """Returns min_i Q_i [B]: clipped double Q (1802.09477)."""
    del generator
    return tf.reduce_min(q, axis=0)


@gin.configurable
def mean_q(q: tf.Tensor, generator: tf.random.Generator) -> tf.Tensor:
    """Returns mean_i Q_i [B]: REDQ's actor (2101.05982)."""
    del generator
    return tf.reduce_mean(q, axis=0)


@gin.configurable
def subset_minimum_q(q: tf.Tensor, generator: tf.random.Generator, size: int = 2) -> tf.Tensor:
    """Returns the minimum [B] over `size` critics, drawn without replacement, once for all rows
    (REDQ's target, 2101.05982).

    Args:
      q: [N, B].
      generator: of the draw.
      size: number of critics in the minimum.

    Raises:
      ConfigurationError: `size` is larger than the ensemble.
    """
    if require_count("subset_minimum_q.size", size) > q.shape[0]:
        raise ConfigurationError(
            f"subset_minimum_q.size={size} is more than critic.ensemble_size={q.shape[0]}."
        )
    scores = devices.once(lambda: generator.uniform([q.shape[0]]))
    _, chosen = tf.math.top_k(scores, size)
    return tf.reduce_min(tf.gather(q, chosen), axis=0)
