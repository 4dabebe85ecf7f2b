"""The policy network (actor)."""

from collections.abc import Sequence

import gin
import tensorflow as tf

from sac_tf.errors import require_counts
from sac_tf.networks.heads import Heads, state_dependent_std
from sac_tf.networks.inputs import Inputs, Normalization, join_leaves, observation_inputs
from sac_tf.networks.layers import single_dense
from sac_tf.networks.torsos import Torso, mlp_torso
from sac_tf.seeds import initializer_seeds
from sac_tf.types import EnvironmentSpec


@gin.configurable("actor")
def make_actor(
    spec: EnvironmentSpec,
    seed: int,
    hidden_units: Sequence[int] = (256, 256),
    activation: str = "relu",
    torso: Torso = mlp_torso,
    heads: Heads = state_dependent_std,
    normalization: Normalization | None = None,
    inputs: Inputs = observation_inputs,
) -> tf.keras.Model:
    """Returns a functional model: [observation] (nest of [B, ...]) -> the outputs of the heads, loc
    and log_std for example, each [B, A], before squashing.

    The list around the observation keeps Keras from matching a dict to inputs by name, which fails
    for nested dicts.

    Args:
      spec: of the environment.
      seed: of the initial weights.
      hidden_units: widths of the hidden layers.
      activation: name of a Keras activation.
      torso: builds the hidden layers.
      heads: builds the output layers.
      normalization: makes the layer that normalizes the observation, or None.
      inputs: makes the inputs for an observation.

    Raises:
      ConfigurationError: `hidden_units` are not positive integers, or the torso rejects a setting.
    """
    require_counts("actor.hidden_units", hidden_units)
    stream = initializer_seeds(seed)
    observation, leaves = inputs(spec, normalization, stream)
    joined = [join_leaves(leaves)]
    (features,) = torso(joined, single_dense, hidden_units, activation=activation, stream=stream)
    outputs = heads(features, spec.action_dimensions, next(stream))
    return tf.keras.Model([observation], list(outputs), name="actor")
