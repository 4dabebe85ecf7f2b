"""Layers of an ensemble: each member has its own weights and its own products."""

from collections.abc import Sequence

import tensorflow as tf

from sac_tf.seeds import initializer_seeds

Members = Sequence[tf.Tensor]
"""One tensor [B, ...] for each member of an ensemble."""


class EnsembleDense(tf.keras.layers.Layer):
    """N dense layers with different weights, on N inputs.

    `kernels` and `biases` have a variable for each member. On a CPU N small products that run side
    by side are faster than one batched product, and so are the N steps of an optimizer, which find
    their member's gradient in the cache.
    """

    def __init__(
        self, members: int, units: int, seed: int, activation: str | None = None, **kwargs
    ):
        super().__init__(**kwargs)
        self.members, self.units, self.seed = members, units, seed
        self.activation = tf.keras.activations.get(activation)

    def build(self, input_shape: list[tf.TensorShape]) -> None:
        inputs, stream = input_shape[0][-1], initializer_seeds(self.seed)
        self.kernels, self.biases = [], []
        for member in range(self.members):
            initializer = tf.keras.initializers.GlorotUniform(next(stream))
            self.kernels.append(
                self.add_weight(f"kernel_{member}", [inputs, self.units], initializer=initializer)
            )
            self.biases.append(self.add_weight(f"bias_{member}", [self.units], initializer="zeros"))
        super().build(input_shape)

    def call(self, inputs: list[tf.Tensor]) -> list[tf.Tensor]:
        """Takes N tensors [B, inputs], returns N tensors [B, units]."""
        return [
            self.activation(tf.nn.bias_add(tf.matmul(x, kernel), bias))
            for x, kernel, bias in zip(inputs, self.kernels, self.biases, strict=True)
        ]

    def get_config(self) -> dict:
        activation = tf.keras.activations.serialize(self.activation)
        own = {
            "members": self.members,
            "units": self.units,
            "seed": self.seed,
            "activation": activation,
        }
        return {**super().get_config(), **own}


class EnsembleDropout(tf.keras.layers.Layer):
    """Dropout (1207.0580) with a mask for each member, in every call: there is no mode without it.

    The masks come from a generator of the layer's own, which `tf.train.Checkpoint` finds and
    `variables` does not list.
    """

    def __init__(self, rate: float, seed: int, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.seed = rate, seed
        self.generator = tf.random.Generator.from_seed(seed)

    def call(self, inputs: Members) -> list[tf.Tensor]:
        """Takes and returns N tensors [B, units]; a number is kept, and scaled by 1 / (1 - rate),
        or 0."""
        kept = [self.generator.uniform(tf.shape(x)) >= self.rate for x in inputs]
        return [
            tf.where(keep, x / (1 - self.rate), 0.0) for x, keep in zip(inputs, kept, strict=True)
        ]

    def get_config(self) -> dict:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
