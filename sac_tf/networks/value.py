"""The state-value network."""

from collections.abc import Sequence

import gin
import tensorflow as tf

from sac_tf.errors import require_counts
from sac_tf.networks.inputs import Inputs, Normalization, join_leaves, observation_inputs
from sac_tf.networks.layers import single_dense
from sac_tf.networks.torsos import Torso, mlp_torso
from sac_tf.seeds import initializer_seeds
from sac_tf.types import EnvironmentSpec


@gin.configurable("value")
def make_value(
    spec: EnvironmentSpec,
    seed: int,
    hidden_units: Sequence[int] = (256, 256),
    activation: str = "relu",
    torso: Torso = mlp_torso,
    normalization: Normalization | None = None,
    inputs: Inputs = observation_inputs,
) -> tf.keras.Model:
    """Returns a functional model: [observation] (nest of [B, ...]) -> V(s) [B].

    Args:
      spec: of the environment.
      seed: of the initial weights.
      hidden_units: widths of the hidden layers.
      activation: name of a Keras activation.
      torso: builds the hidden layers.
      normalization: makes the layer that normalizes the observation, or None.
      inputs: makes the inputs for an observation.

    Raises:
      ConfigurationError: `hidden_units` are not positive integers, or the torso rejects a setting.
    """
    require_counts("value.hidden_units", hidden_units)
    stream = initializer_seeds(seed)
    observation, leaves = inputs(spec, normalization, stream)
    joined = [join_leaves(leaves)]
    features = torso(joined, single_dense, hidden_units, activation=activation, stream=stream)
    (values,) = single_dense(1, next(stream))(features)
    return tf.keras.Model([observation], values[:, 0], name="value")
