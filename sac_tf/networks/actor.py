"""The policy network."""

from collections.abc import Callable, Sequence

import gin
import tensorflow as tf

from sac_tf.errors import require_counts
from sac_tf.networks.layers import Members
from sac_tf.networks.torsos import Layer, Torso, mlp_torso
from sac_tf.seeds import initializer_seeds
from sac_tf.types import EnvironmentSpec, Nest

Heads = Callable[[tf.Tensor, int, int], Sequence[tf.Tensor]]
"""f(features [B, F], A, seed) -> (loc, log_std), each [B, A]."""


@gin.configurable
def state_dependent_std(features: tf.Tensor, units: int, seed: int) -> Sequence[tf.Tensor]:
    """Returns linear loc and log std. One product for both heads: two narrow ones cost almost twice
    as much."""
    initializer = tf.keras.initializers.GlorotUniform(seed)
    heads = tf.keras.layers.Dense(
        2 * units, kernel_initializer=initializer, name="loc_and_log_std"
    )(features)
    return tf.split(heads, 2, axis=-1)


@gin.configurable
def state_independent_std(features: tf.Tensor, units: int, seed: int) -> Sequence[tf.Tensor]:
    """Returns linear loc, and log std as one learned vector for all states, from zeros."""
    initializer = tf.keras.initializers.GlorotUniform(seed)
    loc = tf.keras.layers.Dense(units, kernel_initializer=initializer, name="loc")(features)
    return loc, _Constant(units, name="log_std")(features)


class _Constant(tf.keras.layers.Layer):
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


@gin.configurable("actor")
def make_actor(
    spec: EnvironmentSpec,
    seed: int,
    hidden_units: Sequence[int] = (256, 256),
    activation: str = "relu",
    torso: Torso = mlp_torso,
    heads: Heads = state_dependent_std,
    normalization: Callable[[], tf.keras.layers.Layer] | None = None,
) -> tf.keras.Model:
    """Returns a functional model: [observation] (nest of [B, ...]) -> (loc, log_std), each [B, A],
    before squashing.

    `torso` makes the hidden layers (see `torsos`), `heads` loc and log std of the last features.
    `normalization` makes the layer that sees the observation first, `RunningNormalization`; None
    leaves it out. The list around the observation keeps Keras from matching a dict to inputs by
    name, which fails for nested ones.
    """
    require_counts("actor.hidden_units", hidden_units)
    stream = initializer_seeds(seed)
    observation, leaves = observation_inputs(spec, normalization)
    (x,) = torso([join_leaves(leaves)], _dense, hidden_units, activation, stream)
    loc, log_std = heads(x, spec.action_dimensions, next(stream))
    return tf.keras.Model([observation], [loc, log_std], name="actor")


def observation_inputs(
    spec: EnvironmentSpec, normalization: Callable[[], tf.keras.layers.Layer] | None
) -> tuple[Nest, Sequence[tf.Tensor]]:
    """Returns the inputs for an observation, a nest, and its arrays as the network should see
    them."""
    inputs = tf.nest.map_structure(
        lambda leaf: tf.keras.Input(leaf.shape, name=leaf.name), spec.observation
    )
    leaves = tf.nest.flatten(inputs)
    return inputs, leaves if normalization is None else normalization()(leaves)


def _dense(units: int, seed: int, activation: str | None = None) -> Layer:
    """Returns a dense layer on the one member that an actor has."""
    initializer = tf.keras.initializers.GlorotUniform(seed)
    layer = tf.keras.layers.Dense(units, activation, kernel_initializer=initializer)

    def call(members: Members) -> Members:
        return [layer(x) for x in members]

    return call


def join_leaves(leaves: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns leaves [B, ...] as one tensor [B, features], in the order given."""
    flat = [tf.keras.layers.Flatten()(leaf) for leaf in leaves]
    return flat[0] if len(flat) == 1 else tf.keras.layers.Concatenate()(flat)
