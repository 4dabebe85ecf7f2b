"""Layers of an ensemble: one stacked variable for all members, one product per member."""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

Members = Sequence[tf.Tensor]
"""One tensor [B, ...] for each member of an ensemble."""


def seeds(seed: int) -> Iterator[int]:
    """Yields an endless, repeatable stream of initializer seeds that are independent of each other."""
    generator = np.random.default_rng(seed)
    while True:
        yield int(generator.integers(2**31))


class EnsembleDense(tf.keras.layers.Layer):
    """N dense layers with different weights, on N inputs.

    The weights of all members are one variable `kernel` [N, inputs, units] and one `bias` [N, units], so an optimizer
    or a target update touches two variables and not 2N. The products stay apart, because on a CPU N small products
    that run side by side are faster than one batched product.
    """

    def __init__(self, members: int, units: int, seed: int, activation: str | None = None, **kwargs):
        super().__init__(**kwargs)
        self.members, self.units, self.seed = members, units, seed
        self.activation = tf.keras.activations.get(activation)

    def build(self, input_shape: list[tf.TensorShape]) -> None:
        inputs = input_shape[0][-1]
        self.kernel = self.add_weight("kernel", [self.members, inputs, self.units], initializer=self._initial_kernel)
        self.bias = self.add_weight("bias", [self.members, self.units], initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: list[tf.Tensor]) -> list[tf.Tensor]:
        """Takes N tensors [B, inputs], returns N tensors [B, units]."""
        kernels, biases = tf.unstack(self.kernel), tf.unstack(self.bias)
        return [
            self.activation(tf.nn.bias_add(tf.matmul(x, kernel), bias))
            for x, kernel, bias in zip(inputs, kernels, biases, strict=True)
        ]

    def get_config(self) -> dict:
        activation = tf.keras.activations.serialize(self.activation)
        own = {"members": self.members, "units": self.units, "seed": self.seed, "activation": activation}
        return {**super().get_config(), **own}

    def _initial_kernel(self, shape: list[int], dtype: tf.DType, **_) -> tf.Tensor:
        """Glorot-uniform for each member on its own: the fans of the stacked shape would be wrong."""
        stream = seeds(self.seed)
        return tf.stack([tf.keras.initializers.GlorotUniform(next(stream))(shape[1:], dtype) for _ in range(shape[0])])


class EnsembleDropout(tf.keras.layers.Layer):
    """Dropout (1207.0580) with a mask for each member, in every call: there is no mode without it.

    The masks come from a generator of the layer's own, which `tf.train.Checkpoint` finds and `variables` does not list.
    """

    def __init__(self, rate: float, seed: int, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.seed = rate, seed
        self.generator = tf.random.Generator.from_seed(seed)

    def call(self, inputs: Members) -> list[tf.Tensor]:
        """Takes and returns N tensors [B, units]; a number is kept, and scaled by 1 / (1 - rate), or 0."""
        kept = [self.generator.uniform(tf.shape(x)) >= self.rate for x in inputs]
        return [tf.where(keep, x / (1 - self.rate), 0.0) for x, keep in zip(inputs, kept, strict=True)]

    def get_config(self) -> dict:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
