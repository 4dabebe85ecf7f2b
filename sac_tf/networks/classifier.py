"""The success classifier: whether an observation is a success."""

from collections.abc import Sequence

import gin
import tensorflow as tf

from sac_tf.errors import require_counts
from sac_tf.networks.inputs import Inputs, Normalization, join_leaves, observation_inputs
from sac_tf.networks.layers import single_dense
from sac_tf.networks.torsos import Torso, mlp_torso
from sac_tf.seeds import initializer_seeds
from sac_tf.types import EnvironmentSpec, Nest


class Classifier(tf.Module):
    """A network in two parts; the probability of success is the sigmoid of its logit.

    Args:
      encoder: [observation] (nest of [B, ...]) -> features [B, F]: those of images by an encoder,
        and the vectors as they are, or normalized.
      head: features [B, F] -> logit [B].

    Attributes:
      encoder, head: as given.
    """

    def __init__(self, encoder: tf.keras.Model, head: tf.keras.Model):
        super().__init__(name="classifier")
        self.encoder = encoder
        self.head = head

    def features(self, observation: Nest, training: bool = False) -> tf.Tensor:
        """Returns the features [B, F] of observations."""
        return self.encoder([observation], training=training)

    def __call__(self, observation: Nest, training: bool = False) -> tf.Tensor:
        """Returns the logits [B] of observations."""
        return self.head(self.features(observation, training), training=training)

    @property
    def variables(self) -> list[tf.Variable]:
        return [*self.encoder.variables, *self.head.variables]

    @property
    def trainable_variables(self) -> list[tf.Variable]:
        return [*self.encoder.trainable_variables, *self.head.trainable_variables]


@gin.configurable("classifier")
def make_classifier(
    spec: EnvironmentSpec,
    seed: int,
    hidden_units: Sequence[int] = (256,),
    activation: str = "relu",
    torso: Torso = mlp_torso,
    normalization: Normalization | None = None,
    inputs: Inputs = observation_inputs,
) -> Classifier:
    """Returns a new classifier.

    Args:
      spec: of the environment.
      seed: of the initial weights.
      hidden_units: widths of the hidden layers, between features and logit.
      activation: name of a Keras activation.
      torso: builds the hidden layers.
      normalization: makes the layer that normalizes the observation, or None.
      inputs: makes the inputs for an observation.

    Raises:
      ConfigurationError: `hidden_units` are not positive integers, or the torso rejects a setting.
    """
    require_counts("classifier.hidden_units", hidden_units)
    stream = initializer_seeds(seed)
    observation, leaves = inputs(spec, normalization, stream)
    encoder = tf.keras.Model([observation], join_leaves(leaves), name="features")
    features = tf.keras.Input(encoder.output_shape[1:], name="features")
    hidden = torso([features], single_dense, hidden_units, activation=activation, stream=stream)
    (logit,) = single_dense(1, next(stream))(hidden)
    return Classifier(encoder, tf.keras.Model(features, logit[:, 0], name="head"))
