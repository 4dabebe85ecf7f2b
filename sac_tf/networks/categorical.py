"""Categorical critics (C51, 1707.06887): a distribution over returns instead of their mean.

The critic network still returns Q values, the means of its distributions, for all that needs no
more. `CategoricalCritic` gives access to the logits behind them.
"""

import gin
import tensorflow as tf

from sac_tf.errors import ConfigurationError, require_count, require_number
from sac_tf.networks.critic import MakeOutputs
from sac_tf.networks.layers import Members, evaluated, wanted_rows


class Expectation(tf.keras.layers.Layer):
    """Q = sum_j p_j z_j: the mean of distributions over `atoms` returns z, evenly spaced from
    `minimum` to `maximum`."""

    def __init__(self, atoms: int, minimum: float, maximum: float, **kwargs):
        super().__init__(**kwargs)
        self.atoms = atoms
        self.minimum = minimum
        self.maximum = maximum

    @property
    def support(self) -> tf.Tensor:
        """The returns z [atoms]."""
        return tf.linspace(self.minimum, self.maximum, self.atoms)

    def call(self, logits: tf.Tensor) -> tf.Tensor:
        """Takes logits [N, B, atoms], returns Q values [N, B]."""
        return tf.linalg.matvec(tf.nn.softmax(logits), self.support)

    def get_config(self) -> dict:
        own = {"atoms": self.atoms, "minimum": self.minimum, "maximum": self.maximum}
        return {**super().get_config(), **own}


@gin.configurable
def categorical_head(
    members: Members,
    outputs: MakeOutputs,
    atoms: int = 101,
    minimum: float = -5.0,
    maximum: float = 5.0,
) -> tf.Tensor:
    """`CriticHead` of a distribution over `atoms` returns.

    Args:
      members: features, N tensors [B, F].
      outputs: makes the output layer.
      atoms: number of returns.
      minimum, maximum: the least and the largest of them; rewards have to be scaled accordingly.

    Raises:
      ConfigurationError: fewer than two atoms, or an empty range.
    """
    require_count("categorical_head.atoms", atoms, minimum=2)
    require_number("categorical_head.minimum", minimum, lambda x: x < maximum, "below the maximum")
    members = tf.keras.layers.Lambda(wanted_rows)(members)
    stack = tf.keras.layers.Lambda(lambda logits: tf.stack(evaluated(logits)), name="logits")
    return Expectation(atoms, minimum, maximum, name="q")(stack(outputs(members, atoms)))


class CategoricalCritic:
    """The logits of a critic network with a `categorical_head`.

    Attributes:
      logits: a model with the inputs of the network -> logits [N, B, atoms].
      mean: the layer from logits to Q values [N, B].
      support: the returns z [atoms].
    """

    def __init__(self, critic: tf.keras.Model):
        """Raises ConfigurationError if the network has another head."""
        self.mean = critic.layers[-1]
        if not isinstance(self.mean, Expectation):
            raise ConfigurationError(
                "sac_steps.critic_step needs critics of distributions: set critic.head to "
                "@categorical_head."
            )
        self.logits = tf.keras.Model(critic.input, self.mean.input)
        self.support = self.mean.support
