"""Network inputs: Keras inputs for an observation, its normalization, and joining its arrays."""

from collections.abc import Sequence
from typing import Protocol

import gin
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.types import EnvironmentSpec, Nest


class Normalization(Protocol):
    """Factory of observation normalization layers, for example `RunningNormalization`."""

    def __call__(self) -> tf.keras.layers.Layer:
        """Returns a new layer: list of the arrays of an observation, each [B, ...] -> list of the
        normalized arrays, same shapes."""


class Inputs(Protocol):
    """Makes the inputs of a network for an observation, as `observation_inputs` does."""

    def __call__(
        self, spec: EnvironmentSpec, normalization: Normalization | None
    ) -> tuple[Nest, Sequence[tf.Tensor]]: ...


@gin.configurable
def observation_inputs(
    spec: EnvironmentSpec, normalization: Normalization | None, unused: Sequence[str] = ()
) -> tuple[Nest, Sequence[tf.Tensor]]:
    """Makes the inputs of a network.

    Args:
      spec: of the task.
      normalization: makes the layer that normalizes the observation; None for none.
      unused: names of arrays of the observation that the networks do not see, "achieved_goal" for
        example.

    Returns: the Keras inputs for an observation (a nest), and its normalized arrays without the
      unused ones, each [B, ...] in the order of `tf.nest.flatten`.

    Raises:
      ConfigurationError: no array has such a name, or none would be left.
    """
    names = [leaf.name for leaf in spec.observation_leaves]
    if not set(unused) <= set(names) or set(unused) == set(names):
        raise ConfigurationError(
            f"observation_inputs.unused={unused!r} must name some of the arrays of the "
            f"observation, {', '.join(names)}, and leave at least one."
        )
    inputs = tf.nest.map_structure(
        lambda leaf: tf.keras.Input(leaf.shape, name=leaf.name), spec.observation
    )
    leaves = tf.nest.flatten(inputs)
    if normalization is not None:
        leaves = normalization()(leaves)
    kept = [leaf for leaf, name in zip(leaves, names, strict=True) if name not in unused]
    return inputs, kept


def join_leaves(leaves: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns arrays [B, ...] flattened and concatenated in the given order, [B, features]."""
    flat = [tf.keras.layers.Flatten()(leaf) for leaf in leaves]
    if len(flat) == 1:
        return flat[0]
    return tf.keras.layers.Concatenate()(flat)
