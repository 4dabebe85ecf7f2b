"""Ensemble layers: dense layers and dropout with separate weights and masks for each member.

`only_members` makes them evaluate some of the members instead of all.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import tensorflow as tf

from sac_tf.networks.norms import kernel_settings
from sac_tf.seeds import initializer_seeds

Members = Sequence[tf.Tensor]
"""One tensor [B, ...] for each of the N members of an ensemble."""

Layer = Callable[[Members], Members]
"""N tensors [B, inputs] -> N tensors [B, units]."""


class Dense(Protocol):
    """Factory of dense layers for an ensemble."""

    def __call__(
        self,
        units: int,
        seed: int,
        activation: str | None = None,
        use_bias: bool = True,
        unit_norm: bool = False,
    ) -> Layer:
        """Returns a new dense layer.

        Args:
          units: width of the output.
          seed: of the initial weights of all members.
          activation: name of a Keras activation; None for a linear layer.
          use_bias: whether a bias is added.
          unit_norm: whether the columns of the kernel have a norm of 1, at the start and after each
            step of an optimizer.
        """


def unit_norm_dense(dense: Dense, members: Members, units: int, stream: Iterator[int]) -> Members:
    """Returns the outputs of new dense layers with unit-norm weights and no bias; the next seed of
    `stream` draws their weights."""
    return dense(units, next(stream), use_bias=False, unit_norm=True)(members)


_chosen: contextvars.ContextVar[tf.Tensor | None] = contextvars.ContextVar("chosen", default=None)


@contextlib.contextmanager
def only_members(chosen: tf.Tensor) -> Iterator[None]:
    """Within it, an ensemble network evaluates only M of its N members, and returns M results.

    A functional model has a fixed number of tensors: between its layers, the first M are those of
    the chosen members, and the others are copies that nothing reads.

    Args:
      chosen: indices of the members, int32 [M], M known.
    """
    token = _chosen.set(chosen)
    try:
        yield
    finally:
        _chosen.reset(token)


_rows: contextvars.ContextVar[tf.Tensor | None] = contextvars.ContextVar("rows", default=None)


@contextlib.contextmanager
def only_first_rows(rows: tf.Tensor) -> Iterator[None]:
    """Within it, a network returns the results of the first rows only. The others are there for the
    statistics of its batch normalization, and cost no output layer."""
    token = _rows.set(rows)
    try:
        yield
    finally:
        _rows.reset(token)


def wanted_rows(members: Members) -> Members:
    """Returns the rows whose results are wanted: all, or the first."""
    rows = _rows.get()
    return members if rows is None else [x[:rows] for x in members]


def evaluated(members: Members) -> Members:
    """Returns the tensors of the members that are evaluated: all N, or the first M."""
    chosen = _chosen.get()
    return members if chosen is None else members[: chosen.shape[0]]


def weights_of_evaluated(weights: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
    """Returns the weights of the members that are evaluated, of N weights of all members."""
    chosen = _chosen.get()
    return weights if chosen is None else tf.unstack(rows_of_evaluated(tf.stack(weights)))


def rows_of_evaluated(weights: tf.Tensor) -> tf.Tensor:
    """Returns the rows [M, ...] of the members that are evaluated, of weights [N, ...]."""
    chosen = _chosen.get()
    return weights if chosen is None else tf.gather(weights, chosen)


def filled_up(outputs: Members, number: int) -> list[tf.Tensor]:
    """Returns `number` tensors: the outputs, and copies of the first."""
    return [*outputs, *[outputs[0]] * (number - len(outputs))]


class EnsembleDense(tf.keras.layers.Layer):
    """N dense layers with different weights, applied to N inputs.

    `kernels` and `biases` have one variable per member. On a CPU, N small matrix products that run
    in parallel are faster than one batched product. So are the N steps of an optimizer, which find
    their member's gradient in the cache.
    """

    def __init__(
        self,
        members: int,
        units: int,
        seed: int,
        activation: str | None = None,
        use_bias: bool = True,
        unit_norm: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.members = members
        self.units = units
        self.seed = seed
        self.activation = tf.keras.activations.get(activation)
        self.use_bias = use_bias
        self.unit_norm = unit_norm

    def build(self, input_shape: list[tf.TensorShape]) -> None:
        inputs = input_shape[0][-1]
        stream = initializer_seeds(self.seed)
        self.kernels = []
        self.biases = []
        for member in range(self.members):
            initializer, constraint = kernel_settings(next(stream), self.unit_norm)
            kernel = self.add_weight(
                f"kernel_{member}",
                [inputs, self.units],
                initializer=initializer,
                constraint=constraint,
            )
            self.kernels.append(kernel)
            if self.use_bias:
                bias = self.add_weight(f"bias_{member}", [self.units], initializer="zeros")
                self.biases.append(bias)
        super().build(input_shape)

    def call(self, inputs: list[tf.Tensor]) -> list[tf.Tensor]:
        """Takes N tensors [B, inputs], returns N tensors [B, units]."""
        kernels = weights_of_evaluated(self.kernels)
        outputs = [
            tf.matmul(x, kernel) for x, kernel in zip(evaluated(inputs), kernels, strict=True)
        ]
        if self.use_bias:
            biases = weights_of_evaluated(self.biases)
            outputs = [tf.nn.bias_add(x, bias) for x, bias in zip(outputs, biases, strict=True)]
        return filled_up([self.activation(x) for x in outputs], self.members)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "members": self.members,
            "units": self.units,
            "seed": self.seed,
            "activation": tf.keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "unit_norm": self.unit_norm,
        }


def single_dense(
    units: int,
    seed: int,
    activation: str | None = None,
    use_bias: bool = True,
    unit_norm: bool = False,
) -> Layer:
    """`Dense` of an ensemble of one member, such as an actor."""
    initializer, constraint = kernel_settings(seed, unit_norm)
    layer = tf.keras.layers.Dense(
        units,
        activation,
        use_bias=use_bias,
        kernel_initializer=initializer,
        kernel_constraint=constraint,
    )

    def call(members: Members) -> Members:
        return [layer(x) for x in members]

    return call


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
        members = evaluated(inputs)
        kept = [self.generator.uniform(tf.shape(x)) >= self.rate for x in members]
        outputs = [
            tf.where(keep, x / (1 - self.rate), 0.0) for x, keep in zip(members, kept, strict=True)
        ]
        return filled_up(outputs, len(inputs))

    def get_config(self) -> dict:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
