"""Pools: from the Q values of an ensemble to one value per row [B]."""

from collections.abc import Sequence
from typing import Any, Protocol

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.errors import ConfigurationError, require_count
from sac_tf.networks.layers import only_members


class QValues(Protocol):
    """Q values of an ensemble of critics."""

    @property
    def critics(self) -> int:
        """N, their number."""

    def __call__(self, chosen: tf.Tensor | None = None) -> tf.Tensor:
        """Returns [N, B], or [M, B] of the critics at the indices `chosen`, int32 [M]."""


class ComputedQ:
    """`QValues` [N, B] that are computed already."""

    def __init__(self, q: tf.Tensor):
        self._q = q
        self.critics = q.shape[0]

    def __call__(self, chosen: tf.Tensor | None = None) -> tf.Tensor:
        return self._q if chosen is None else tf.gather(self._q, chosen)


class DeferredQ:
    """`QValues` of a critic network, which evaluates only the critics that a pool asks for."""

    def __init__(self, critic: tf.keras.Model, inputs: Sequence[Any]):
        self._critic = critic
        self._inputs = inputs

    @property
    def critics(self) -> int:
        return self._critic.output_shape[0]

    def __call__(self, chosen: tf.Tensor | None = None) -> tf.Tensor:
        if chosen is None:
            return self._critic(self._inputs)
        with only_members(chosen):
            return self._critic(self._inputs)


class Pool(Protocol):
    """Q values, and a generator for pools that draw -> [B]."""

    def __call__(self, q: QValues, generator: tf.random.Generator) -> tf.Tensor: ...


@gin.configurable
def minimum_q(q: QValues, generator: tf.random.Generator) -> tf.Tensor:
    """Returns min_i Q_i [B]: clipped double Q (1802.09477)."""
    del generator
    return tf.reduce_min(q(), axis=0)


@gin.configurable
def mean_q(q: QValues, generator: tf.random.Generator) -> tf.Tensor:
    """Returns mean_i Q_i [B]: REDQ's actor (2101.05982)."""
    del generator
    return tf.reduce_mean(q(), axis=0)


@gin.configurable
def first_q(q: QValues, generator: tf.random.Generator) -> tf.Tensor:
    """Returns Q_1 [B]: TD3's actor (1802.09477). The other critics are not evaluated."""
    del generator
    return q(tf.constant([0]))[0]


@gin.configurable
def subset_minimum_q(q: QValues, generator: tf.random.Generator, size: int = 2) -> tf.Tensor:
    """Returns the minimum [B] over `size` critics, drawn without replacement, once for all rows
    (REDQ's target, 2101.05982). The other critics are not evaluated.

    Args:
      q: of N critics.
      generator: of the draw.
      size: number of critics in the minimum.

    Raises:
      ConfigurationError: `size` is larger than the ensemble.
    """
    if require_count("subset_minimum_q.size", size) > q.critics:
        raise ConfigurationError(
            f"subset_minimum_q.size={size} is more than critic.ensemble_size={q.critics}."
        )
    scores = devices.once(lambda: generator.uniform([q.critics]))
    _, chosen = tf.math.top_k(scores, size)
    return tf.reduce_min(q(chosen), axis=0)
