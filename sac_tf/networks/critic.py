"""The ensemble of Q networks."""

from collections.abc import Callable, Sequence

import gin
import tensorflow as tf

from sac_tf.errors import require_count, require_counts
from sac_tf.networks.actor import join_leaves, observation_inputs
from sac_tf.networks.layers import EnsembleDense, seeds
from sac_tf.types import EnvironmentSpec


@gin.register("critic")
def make_critic(
    spec: EnvironmentSpec,
    seed: int,
    ensemble_size: int = 2,
    hidden_units: Sequence[int] = (256, 256),
    activation: str = "relu",
    normalization: Callable[[], tf.keras.layers.Layer] | None = None,
) -> tf.keras.Model:
    """Returns a functional model: [observation, action [B, A]] -> Q values [N, B] of `ensemble_size` critics.

    `normalization` is as for `make_actor`; actions are in [-1, 1] and need none.
    """
    require_count("critic.ensemble_size", ensemble_size)
    require_counts("critic.hidden_units", hidden_units)
    stream = seeds(seed)
    observation, leaves = observation_inputs(spec, normalization)
    action = tf.keras.Input(spec.action.shape, name="action")
    members = [join_leaves([*leaves, action])] * ensemble_size
    for units in hidden_units:
        members = EnsembleDense(ensemble_size, units, next(stream), activation)(members)
    members = EnsembleDense(ensemble_size, 1, next(stream))(members)
    q_values = tf.keras.layers.Lambda(lambda q: tf.stack([tf.squeeze(member, -1) for member in q]), name="q")(members)
    return tf.keras.Model([observation, action], q_values, name="critic")
