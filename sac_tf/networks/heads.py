"""Output heads of the actor: location and log standard deviation of its Gaussian, or a location."""

from collections.abc import Sequence
from typing import Protocol

import gin
import tensorflow as tf

from sac_tf.networks.layers import single_dense
from sac_tf.networks.outputs import unit_norm_output
from sac_tf.seeds import initializer_seeds


class Heads(Protocol):
    """Adds the output layers of an actor to its features."""

    def __call__(self, features: tf.Tensor, units: int, seed: int) -> Sequence[tf.Tensor]:
        """Returns what the distribution of the policy takes, each [B, A]: loc and log_std of a
        Gaussian.

        Args:
          features: output of the torso, [B, F].
          units: A, the number of action dimensions.
          seed: of the initial weights.
        """


@gin.configurable
def state_dependent_std(features: tf.Tensor, units: int, seed: int) -> Sequence[tf.Tensor]:
    """`Heads` with loc and log std linear in the features."""
    # One matrix product for both heads: two narrow ones cost almost twice as much.
    initializer = tf.keras.initializers.GlorotUniform(seed)
    heads = tf.keras.layers.Dense(
        2 * units, kernel_initializer=initializer, name="loc_and_log_std"
    )(features)
    return tf.split(heads, 2, axis=-1)


@gin.configurable
def unit_norm_std(features: tf.Tensor, units: int, seed: int) -> Sequence[tf.Tensor]:
    """`Heads` with loc and log std linear in the features, by columns of norm 1 (XQC, FlashSAC)."""
    stream = initializer_seeds(seed)
    (heads,) = unit_norm_output([features], 2 * units, single_dense, stream)
    return tf.split(heads, 2, axis=-1)


@gin.configurable
def state_independent_std(features: tf.Tensor, units: int, seed: int) -> Sequence[tf.Tensor]:
    """`Heads` with loc linear in the features, and log std one learned vector for all states,
    initialized to zeros."""
    initializer = tf.keras.initializers.GlorotUniform(seed)
    loc = tf.keras.layers.Dense(units, kernel_initializer=initializer, name="loc")(features)
    log_std = _Constant(units, name="log_std")(features)
    return loc, log_std


@gin.configurable
def loc_only(features: tf.Tensor, units: int, seed: int) -> Sequence[tf.Tensor]:
    """`Heads` of a deterministic policy: loc, linear in the features, and no log std."""
    initializer = tf.keras.initializers.GlorotUniform(seed)
    return [tf.keras.layers.Dense(units, kernel_initializer=initializer, name="loc")(features)]


class _Constant(tf.keras.layers.Layer):
    """A learned vector [units], repeated for each row of the input."""

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: tf.TensorShape) -> None:
        self.value = self.add_weight("value", [self.units], initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.broadcast_to(self.value, [tf.shape(inputs)[0], self.units])

    def get_config(self) -> dict:
        return {**super().get_config(), "units": self.units}
