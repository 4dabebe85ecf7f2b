"""Network inputs: Keras inputs for an observation, its normalization, and joining its arrays."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import gin
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.leaves import ObservationLeaf
from sac_tf.types import EnvironmentSpec, Nest


class Normalization(Protocol):
    """Factory of observation normalization layers, for example `RunningNormalization`."""

    def __call__(self) -> tf.keras.layers.Layer:
        """Returns a new layer: list of the arrays of an observation, each [B, ...] -> list of the
        normalized arrays, same shapes."""


class Inputs(Protocol):
    """Makes the inputs of a network for an observation."""

    def __call__(
        self, spec: EnvironmentSpec, normalization: Normalization | None, stream: Iterator[int]
    ) -> tuple[Nest, Sequence[tf.Tensor]]:
        """Returns the Keras inputs (a nest), and features [B, ...] to join.

        Args:
          spec: of the task.
          normalization: makes the layer that normalizes vectors; None for none.
          stream: seeds for layers with random weights.
        """


@gin.configurable
def used_leaves(spec: EnvironmentSpec, without: Sequence[str] = ()) -> list[ObservationLeaf]:
    """Returns the arrays of an observation that networks see.

    Args:
      spec: of the task.
      without: names of arrays that they do not see, "achieved_goal" for example.

    Raises:
      ConfigurationError: no array has such a name, or none would be left.
    """
    names = [leaf.name for leaf in spec.observation_leaves]
    if not set(without) <= set(names) or set(without) == set(names):
        raise ConfigurationError(
            f"used_leaves.without={without!r} must name some of the arrays of the observation, "
            f"{', '.join(names)}, and leave at least one."
        )
    return [leaf for leaf in spec.observation_leaves if leaf.name not in without]


@gin.configurable
def observation_inputs(
    spec: EnvironmentSpec,
    normalization: Normalization | None,
    stream: Iterator[int],
    leaves: Callable[[EnvironmentSpec], Sequence[ObservationLeaf]] = used_leaves,
) -> tuple[Nest, Sequence[tf.Tensor]]:
    """`Inputs` of vectors.

    Args:
      spec: of the task.
      normalization: makes the layer that normalizes the observation; None for none.
      stream: seeds for layers with random weights, of which there are none.
      leaves: which arrays of the observation are used.

    Raises:
      ConfigurationError: an array is an image.
    """
    del stream
    used = leaves(spec)
    images = [leaf for leaf in used if leaf.is_image]
    if images:
        raise ConfigurationError(
            f"The observation has an image ({images[0]}), which needs an encoder; use "
            "gin_configs/drq.gin, or environment.wrappers = ['FlattenObservation'] for a vector of "
            "its numbers."
        )
    inputs, arrays = keras_inputs(spec)
    if normalization is not None:
        arrays = normalization()(arrays)
    given = dict(zip(spec.observation_leaves, arrays, strict=True))
    return inputs, [given[leaf] for leaf in used]


def keras_inputs(spec: EnvironmentSpec) -> tuple[Nest, list[tf.Tensor]]:
    """Returns the Keras inputs for an observation, as a nest and in the order of
    `tf.nest.flatten`."""
    inputs = tf.nest.map_structure(
        lambda leaf: tf.keras.Input(leaf.shape, dtype=leaf.dtype, name=leaf.name), spec.observation
    )
    return inputs, tf.nest.flatten(inputs)


def join_leaves(leaves: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns arrays [B, ...] flattened and concatenated in the given order, [B, features]."""
    flat = [tf.keras.layers.Flatten()(leaf) for leaf in leaves]
    if len(flat) == 1:
        return flat[0]
    return tf.keras.layers.Concatenate()(flat)
