"""The policy network."""

from collections.abc import Sequence

import gin
import tensorflow as tf

from sac_tf.errors import require_counts
from sac_tf.networks.layers import seeds
from sac_tf.types import EnvironmentSpec


@gin.register("actor")
def make_actor(
    spec: EnvironmentSpec, seed: int, hidden_units: Sequence[int] = (256, 256), activation: str = "relu"
) -> tf.keras.Model:
    """Returns a functional model: [observation] (nest of [B, ...]) -> (loc, log_std), each [B, A], before squashing.

    The list around the observation keeps Keras from matching a dict to inputs by name, which fails for nested ones.
    """
    require_counts("actor.hidden_units", hidden_units)
    stream = seeds(seed)
    observation = tf.nest.map_structure(lambda leaf: tf.keras.Input(leaf.shape, name=leaf.name), spec.observation)
    x = join_leaves(tf.nest.flatten(observation))
    for units in hidden_units:
        initializer = tf.keras.initializers.GlorotUniform(next(stream))
        x = tf.keras.layers.Dense(units, activation, kernel_initializer=initializer)(x)
    # One product for both heads: two narrow ones cost almost twice as much.
    initializer = tf.keras.initializers.GlorotUniform(next(stream))
    heads = tf.keras.layers.Dense(2 * spec.action_dimensions, kernel_initializer=initializer, name="loc_and_log_std")(x)
    loc, log_std = tf.split(heads, 2, axis=-1)
    return tf.keras.Model([observation], [loc, log_std], name="actor")


def join_leaves(leaves: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns leaves [B, ...] as one tensor [B, features], in the order given."""
    flat = [tf.keras.layers.Flatten()(leaf) for leaf in leaves]
    return flat[0] if len(flat) == 1 else tf.keras.layers.Concatenate()(flat)
