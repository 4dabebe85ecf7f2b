"""The ensemble of Q networks."""

import functools
from collections.abc import Callable, Sequence

import gin
import tensorflow as tf

from sac_tf.errors import require_count, require_counts
from sac_tf.networks.actor import join_leaves, observation_inputs
from sac_tf.networks.layers import EnsembleDense, Members
from sac_tf.networks.torsos import Torso, mlp_torso
from sac_tf.seeds import initializer_seeds
from sac_tf.types import EnvironmentSpec


@gin.configurable("critic")
def make_critic(
    spec: EnvironmentSpec,
    seed: int,
    ensemble_size: int = 2,
    hidden_units: Sequence[int] = (256, 256),
    activation: str = "relu",
    torso: Torso = mlp_torso,
    normalization: Callable[[], tf.keras.layers.Layer] | None = None,
) -> tf.keras.Model:
    """Returns a functional model: [observation, action [B, A]] -> Q values [N, B] of
    `ensemble_size` critics.

    `torso` and `normalization` are as for `make_actor`; actions are in [-1, 1] and need no
    normalization.
    """
    require_count("critic.ensemble_size", ensemble_size)
    require_counts("critic.hidden_units", hidden_units)
    stream = initializer_seeds(seed)
    observation, leaves = observation_inputs(spec, normalization)
    action = tf.keras.Input(spec.action.shape, name="action")
    dense = functools.partial(EnsembleDense, ensemble_size)
    members: Members = [join_leaves([*leaves, action])] * ensemble_size
    members = torso(members, dense, hidden_units, activation, stream)
    members = dense(1, next(stream))(members)
    q_values = tf.keras.layers.Lambda(lambda q: tf.squeeze(tf.stack(q), -1), name="q")(members)
    return tf.keras.Model([observation, action], q_values, name="critic")
