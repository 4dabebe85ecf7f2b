"""The Q networks (critics), as one ensemble."""

import functools
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import gin
import tensorflow as tf

from sac_tf.errors import require_count, require_counts
from sac_tf.networks.inputs import Inputs, Normalization, join_leaves, observation_inputs
from sac_tf.networks.layers import EnsembleDense, Members, evaluated
from sac_tf.networks.outputs import Output, linear_output
from sac_tf.networks.torsos import Torso, mlp_torso
from sac_tf.seeds import initializer_seeds
from sac_tf.types import EnvironmentSpec

MakeOutputs: TypeAlias = Callable[[Members, int], Members]
"""f(features, N tensors [B, F], units) -> N tensors [B, units]."""


class CriticHead(Protocol):
    """Adds the end of a network to the features of critics."""

    def __call__(self, members: Members, outputs: MakeOutputs) -> tf.Tensor:
        """Returns Q values [N, B].

        Args:
          members: features, N tensors [B, F].
          outputs: makes the output layer.
        """


@gin.configurable
def scalar_head(members: Members, outputs: MakeOutputs) -> tf.Tensor:
    """`CriticHead` of one output, the Q value."""
    stack = tf.keras.layers.Lambda(lambda q: tf.squeeze(tf.stack(evaluated(q)), -1), name="q")
    return stack(outputs(members, 1))


@gin.configurable("critic")
def make_critic(
    spec: EnvironmentSpec,
    seed: int,
    ensemble_size: int = 2,
    hidden_units: Sequence[int] = (256, 256),
    activation: str = "relu",
    torso: Torso = mlp_torso,
    output: Output = linear_output,
    head: CriticHead = scalar_head,
    normalization: Normalization | None = None,
    inputs: Inputs = observation_inputs,
) -> tf.keras.Model:
    """Returns a functional model: [observation (nest of [B, ...]), action [B, A]] -> Q values
    [N, B].

    Args:
      spec: of the environment.
      seed: of the initial weights, which differ between the critics.
      ensemble_size: number of critics, N.
      hidden_units, activation: widths of the hidden layers, and a Keras activation.
      torso: builds the hidden layers.
      output, head: the output layer, and what it means: `scalar_head` or `categorical_head`.
      normalization: makes the layer that normalizes the observation, or None. Actions are in
        [-1, 1] and are not normalized.
      inputs: makes the inputs for an observation.

    Raises:
      ConfigurationError: `ensemble_size` or `hidden_units` are not positive integers, or the torso
        rejects a setting.
    """
    require_count("critic.ensemble_size", ensemble_size)
    require_counts("critic.hidden_units", hidden_units)
    stream = initializer_seeds(seed)
    observation, leaves = inputs(spec, normalization, stream)
    action = tf.keras.Input(spec.action.shape, name="action")
    dense = functools.partial(EnsembleDense, ensemble_size)
    members: Members = [join_leaves([*leaves, action])] * ensemble_size
    members = torso(members, dense, hidden_units, activation=activation, stream=stream)
    q_values = head(members, functools.partial(output, dense=dense, stream=stream))
    return tf.keras.Model([observation, action], q_values, name="critic")
