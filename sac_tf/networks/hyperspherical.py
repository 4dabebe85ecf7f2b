"""Networks on the unit sphere (SimbaV2, 2502.15280): features and the columns of all kernels have
norm 1, and learned vectors scale them."""

import math
from collections.abc import Iterator, Sequence

import gin
import tensorflow as tf

from sac_tf.networks.layers import (
    Dense,
    Members,
    evaluated,
    filled_up,
    rows_of_evaluated,
    single_dense,
    unit_norm_dense,
)
from sac_tf.networks.torsos import EXPANSION, activate, require_equal_units
from sac_tf.seeds import initializer_seeds

_POSITIVE = 1e-8
"""Added after the activation of a block, which may be zero for all units."""


class EnsembleScaler(tf.keras.layers.Layer):
    """x * weights * (initial / stored): a learned vector for each member, that starts at `initial`
    and that an optimizer sees as starting at `stored`."""

    def __init__(self, initial: float, stored: float, **kwargs):
        super().__init__(**kwargs)
        self.initial = initial
        self.stored = stored

    def build(self, input_shape: list[tf.TensorShape]) -> None:
        shape = [len(input_shape), input_shape[0][-1]]
        self.scale = self.add_weight(
            "scale", shape, initializer=tf.keras.initializers.Constant(self.stored)
        )
        super().build(input_shape)

    def call(self, inputs: Members) -> list[tf.Tensor]:
        """Takes and returns N tensors [B, units]."""
        scales = tf.unstack(rows_of_evaluated(self.scale) * (self.initial / self.stored))
        outputs = [x * scale for x, scale in zip(evaluated(inputs), scales, strict=True)]
        return filled_up(outputs, len(inputs))

    def get_config(self) -> dict:
        return {**super().get_config(), "initial": self.initial, "stored": self.stored}


@gin.configurable
def hyperspherical_torso(
    members: Members,
    dense: Dense,
    hidden_units: Sequence[int],
    activation: str,
    stream: Iterator[int],
    constant: float = 3.0,
) -> Members:
    """`Torso` of SimbaV2 (2502.15280, section 4): an embedding, then a block for each of
    `hidden_units`, which moves the features a learned part of the way to an MLP of them.

    Args:
      constant: appended to the inputs, so that their norm is not lost on the sphere.

    Raises:
      ConfigurationError: `hidden_units` are not all equal.
    """
    units = require_equal_units("hyperspherical_torso", hidden_units)
    scale = math.sqrt(2 / units)
    members = [tf.pad(x, [[0, 0], [0, 1]], constant_values=constant) for x in members]
    members = unit_norm_dense(dense, _on_sphere(members), units, stream)
    members = _on_sphere(EnsembleScaler(scale, scale)(members))
    for _ in hidden_units:
        inner = unit_norm_dense(dense, members, EXPANSION * units, stream)
        inner = EnsembleScaler(scale / math.sqrt(EXPANSION), scale / math.sqrt(EXPANSION))(inner)
        inner = [x + _POSITIVE for x in activate(inner, activation)]
        inner = _on_sphere(unit_norm_dense(dense, inner, units, stream))
        ways = [there - here for here, there in zip(members, inner, strict=True)]
        steps = EnsembleScaler(1 / (len(hidden_units) + 1), 1 / math.sqrt(units))(ways)
        members = _on_sphere([x + step for x, step in zip(members, steps, strict=True)])
    return members


@gin.configurable
def hyperspherical_output(
    members: Members, units: int, dense: Dense, stream: Iterator[int]
) -> Members:
    """`Output` of a dense layer as wide as the features, a scale, and a dense layer with a free
    bias (2502.15280, section 4)."""
    members = unit_norm_dense(dense, members, members[0].shape[-1], stream)
    members = EnsembleScaler(1.0, 1.0)(members)
    return dense(units, next(stream), unit_norm=True)(members)


@gin.configurable
def hyperspherical_std(features: tf.Tensor, units: int, seed: int) -> Sequence[tf.Tensor]:
    """`Heads` with a `hyperspherical_output` each for loc and log std."""
    stream = initializer_seeds(seed)
    outputs = [hyperspherical_output([features], units, single_dense, stream) for _ in range(2)]
    return [output[0] for output in outputs]


def _on_sphere(members: Members) -> Members:
    return [tf.math.l2_normalize(x, axis=-1) for x in members]
