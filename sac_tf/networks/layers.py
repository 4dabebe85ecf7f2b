"""Ensemble layers: dense layers and dropout with separate weights and masks for each member."""

from collections.abc import Callable, Sequence
from typing import Protocol

import tensorflow as tf

from sac_tf.seeds import initializer_seeds

Members = Sequence[tf.Tensor]
"""One tensor [B, ...] for each of the N members of an ensemble."""

Layer = Callable[[Members], Members]
"""N tensors [B, inputs] -> N tensors [B, units]."""


class Dense(Protocol):
    """Factory of dense layers for an ensemble."""

    def __call__(self, units: int, seed: int, activation: str | None = None) -> Layer:
        """Returns a new dense layer.

        Args:
          units: width of the output.
          seed: of the initial weights of all members.
          activation: name of a Keras activation; None for a linear layer.
        """


class EnsembleDense(tf.keras.layers.Layer):
    """N dense layers with different weights, applied to N inputs.

    `kernels` and `biases` have one variable per member. On a CPU, N small matrix products that run
    in parallel are faster than one batched product. So are the N steps of an optimizer, which find
    their member's gradient in the cache.
    """

    def __init__(
        self, members: int, units: int, seed: int, activation: str | None = None, **kwargs
    ):
        super().__init__(**kwargs)
        self.members = members
        self.units = units
        self.seed = seed
        self.activation = tf.keras.activations.get(activation)

    def build(self, input_shape: list[tf.TensorShape]) -> None:
        inputs = input_shape[0][-1]
        stream = initializer_seeds(self.seed)
        self.kernels = []
        self.biases = []
        for member in range(self.members):
            initializer = tf.keras.initializers.GlorotUniform(next(stream))
            kernel = self.add_weight(
                f"kernel_{member}", [inputs, self.units], initializer=initializer
            )
            bias = self.add_weight(f"bias_{member}", [self.units], initializer="zeros")
            self.kernels.append(kernel)
            self.biases.append(bias)
        super().build(input_shape)

    def call(self, inputs: list[tf.Tensor]) -> list[tf.Tensor]:
        """Takes N tensors [B, inputs], returns N tensors [B, units]."""
        return [
            self.activation(tf.nn.bias_add(tf.matmul(x, kernel), bias))
            for x, kernel, bias in zip(inputs, self.kernels, self.biases, strict=True)
        ]

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "members": self.members,
            "units": self.units,
            "seed": self.seed,
            "activation": tf.keras.activations.serialize(self.activation),
        }


class EnsembleDropout(tf.keras.layers.Layer):
    """Dropout (1207.0580) with a separate mask per member, active in every call, training or not.

    The masks come from the layer's generator, which `tf.train.Checkpoint` saves and `variables`
    does not list.
    """

    def __init__(self, rate: float, seed: int, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed
        self.generator = tf.random.Generator.from_seed(seed)

    def call(self, inputs: Members) -> list[tf.Tensor]:
        """Takes and returns N tensors [B, units]; a unit is set to 0 with probability `rate`, or
        scaled by 1 / (1 - rate)."""
        kept = [self.generator.uniform(tf.shape(x)) >= self.rate for x in inputs]
        return [
            tf.where(keep, x / (1 - self.rate), 0.0) for x, keep in zip(inputs, kept, strict=True)
        ]

    def get_config(self) -> dict:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
