"""Network inputs: Keras inputs for an observation, its normalization, and joining its arrays."""

from collections.abc import Sequence
from typing import Protocol

import tensorflow as tf

from sac_tf.types import EnvironmentSpec, Nest


class Normalization(Protocol):
    """Factory of observation normalization layers, for example `RunningNormalization`."""

    def __call__(self) -> tf.keras.layers.Layer:
        """Returns a new layer: list of the arrays of an observation, each [B, ...] -> list of the
        normalized arrays, same shapes."""


def observation_inputs(
    spec: EnvironmentSpec, normalization: Normalization | None
) -> tuple[Nest, Sequence[tf.Tensor]]:
    """Returns the Keras inputs for an observation (a nest), and its arrays, normalized unless
    `normalization` is None, each [B, ...] in the order of `tf.nest.flatten`."""
    inputs = tf.nest.map_structure(
        lambda leaf: tf.keras.Input(leaf.shape, name=leaf.name), spec.observation
    )
    leaves = tf.nest.flatten(inputs)
    if normalization is not None:
        leaves = normalization()(leaves)
    return inputs, leaves


def join_leaves(leaves: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns arrays [B, ...] flattened and concatenated in the given order, [B, features]."""
    flat = [tf.keras.layers.Flatten()(leaf) for leaf in leaves]
    if len(flat) == 1:
        return flat[0]
    return tf.keras.layers.Concatenate()(flat)
