"""The encoder that policy and critics share: the critics' loss trains it, and the policy has a
copy, so that what acts needs no critic (2004.13649, section 4.1)."""

from typing import Protocol

import tensorflow as tf

from sac_tf.agents.policy import ActionDistribution, Policy
from sac_tf.networks.encoders import Split, encoder_of
from sac_tf.pinned.kernels import copy_value
from sac_tf.types import Nest


class Shared(Protocol):
    """What the step of the policy needs of an observation, computed once for policy and critics.

    Attributes:
      critics: the critics, [encoding, action] -> Q values [N, B].
    """

    critics: tf.keras.Model

    def encode(self, observation: Nest) -> Nest:
        """Returns the encoding of an observation, nest of [B, ...], without a gradient."""

    def encode_with_gradient(self, observation: Nest) -> Nest:
        """Returns the encoding for a loss of the critics, which trains the encoder."""

    def policy(self, encoding: Nest, training: bool) -> ActionDistribution:
        """Returns pi(.|s) of an encoding."""

    def copy(self) -> None:
        """Gives the policy what the step of the critics has changed."""

    def adopt(self) -> None:
        """Gives the critics the policy's encoder, which another run has trained."""


class NoEncoder:
    """A `Shared` of networks without an encoder: an observation is its own encoding."""

    def __init__(self, policy: Policy, critics: tf.keras.Model):
        self.policy = policy
        self.critics = critics

    def encode(self, observation: Nest) -> Nest:
        return observation

    encode_with_gradient = encode

    def copy(self) -> None:
        """Nothing to do: policy and critics share no variable."""

    adopt = copy


class SharedEncoder:
    """A `Shared` of networks that have an encoder each.

    The policy's encoder has the values of the critics' one at all times, and its own loss does not
    train it.
    """

    def __init__(self, policy: Policy, critics: tf.keras.Model):
        """Gives the policy's encoder the values of the critics' one."""
        own = Split(policy.network)
        theirs = Split(critics)
        self._policy = policy
        self._head = own.head
        self.encode_with_gradient = theirs.encode
        self.critics = theirs.head
        own.encoder.trainable = False
        self._pairs = list(zip(own.encoder.variables, theirs.encoder.variables, strict=True))
        for variable, source in self._pairs:
            variable.assign(source)

    def encode(self, observation: Nest) -> Nest:
        return tf.nest.map_structure(tf.stop_gradient, self.encode_with_gradient(observation))

    def policy(self, encoding: Nest, training: bool) -> ActionDistribution:
        return self._policy.describe(self._head([encoding], training=training))

    def copy(self) -> None:
        for variable, source in self._pairs:
            copy_value(variable, source)

    def adopt(self) -> None:
        for source, variable in self._pairs:
            variable.assign(source)


def share_encoder(policy: Policy, critics: tf.keras.Model) -> Shared:
    """Returns the encoder that a policy shares with critics, if both have one."""
    if encoder_of(policy.network) is None or encoder_of(critics) is None:
        return NoEncoder(policy, critics)
    return SharedEncoder(policy, critics)
