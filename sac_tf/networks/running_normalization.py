"""Observation normalization by running mean and variance, as a layer of the networks.

The replay stores raw observations, so a sampled observation is always normalized by the current
statistics. The statistics are part of each network, so target networks, collectors and exported
policies have them too.
"""

import functools
from collections.abc import Callable, Sequence

import gin
import numpy as np
import tensorflow as tf

from sac_tf.errors import POSITIVE, require_number
from sac_tf.moments import Moments
from sac_tf.types import Nest


@gin.configurable
class RunningNormalization(tf.keras.layers.Layer):
    """(x - mean) / sqrt(variance + epsilon) of each element of an observation, over all
    observations counted by `observe`. A `Normalization`.

    `mean` and `scale` are non-trainable weights. The moments behind them are float64; checkpoints
    save them, and `variables` does not list them because only `observe` needs them. Before the
    first observation the layer only clips.
    """

    def __init__(self, clip: float | None = 10.0, epsilon: float = 1e-8, **kwargs):
        """Makes a layer for all arrays of an observation.

        Args:
          clip: largest absolute value of a normalized element; None disables clipping.
          epsilon: added to the variance.
          **kwargs: of a Keras layer.

        Raises:
          ConfigurationError: `clip` or `epsilon` is not positive.
        """
        super().__init__(**kwargs)
        if clip is not None:
            require_number(
                "RunningNormalization.clip", clip, lambda x: x > 0, "a number above 0 or None"
            )
        require_number("RunningNormalization.epsilon", epsilon, *POSITIVE)
        self.clip = clip
        self.epsilon = epsilon

    def build(self, input_shape: list[tf.TensorShape]) -> None:
        def make(name: str, initializer: str) -> list[tf.Variable]:
            return [
                self.add_weight(name, shape[1:], initializer=initializer, trainable=False)
                for shape in input_shape
            ]

        def zeros(shape: Sequence[int]) -> tf.Variable:
            return tf.Variable(tf.zeros(shape, tf.float64), trainable=False)

        self.mean = make("mean", "zeros")
        self.scale = make("scale", "ones")
        leaves = [
            tf.train.Checkpoint(mean=zeros(shape[1:]), squares=zeros(shape[1:]))
            for shape in input_shape
        ]
        self.moments = tf.train.Checkpoint(count=zeros([]), leaves=leaves)
        super().build(input_shape)

    def call(self, inputs: list[tf.Tensor]) -> list[tf.Tensor]:
        """Takes and returns the arrays of an observation, each [B, ...]."""
        normalized = [
            (x - mean) * scale for x, mean, scale in zip(inputs, self.mean, self.scale, strict=True)
        ]
        if self.clip is None:
            return normalized
        return [tf.clip_by_value(x, -self.clip, self.clip) for x in normalized]

    def observe(self, rows: Sequence[tf.Tensor]) -> None:
        """Updates the statistics with B observations, arrays [B, ...] in the order of `call`."""
        for x, leaf, mean, scale in zip(
            rows, self.moments.leaves, self.mean, self.scale, strict=True
        ):
            joint = Moments(self.moments.count, leaf.mean, leaf.squares).join(_moments(x))
            leaf.mean.assign(joint.mean)
            leaf.squares.assign(joint.squares)
            mean.assign(tf.cast(joint.mean, tf.float32))
            scale.assign(tf.cast(tf.math.rsqrt(joint.variance + self.epsilon), tf.float32))
        self.moments.count.assign_add(tf.cast(tf.shape(rows[0])[0], tf.float64))

    def get_config(self) -> dict:
        return {**super().get_config(), "clip": self.clip, "epsilon": self.epsilon}


def _moments(rows: tf.Tensor) -> Moments:
    """Returns the float64 moments of rows [B, ...]."""
    rows = tf.cast(rows, tf.float64)
    count = tf.cast(tf.shape(rows)[0], tf.float64)
    mean = tf.reduce_mean(rows, axis=0)
    squares = tf.reduce_sum((rows - mean) ** 2, axis=0)
    return Moments(count, mean, squares)


def make_observer(state: tf.Module) -> Callable[[Nest], None]:
    """Returns f(observations, nest of [E, ...]) that updates every `RunningNormalization` of the
    networks in a train state.

    Each network has separate statistics of the same observations. They are equal, so a Polyak
    average of networks does not change them. Images have none.
    """
    layers = [module for module in state.submodules if isinstance(module, RunningNormalization)]

    @functools.partial(tf.function, autograph=False)
    def update(leaves: list[tf.Tensor]) -> None:
        for layer in layers:
            layer.observe(leaves)

    def observe(observation: Nest) -> None:
        if layers:
            update([x for x in tf.nest.flatten(observation) if x.dtype != np.uint8])

    return observe
