"""Torsos: the hidden layers of actor and critics, between their inputs and their output layers."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import gin
import tensorflow as tf

from sac_tf.errors import ConfigurationError, require_count, require_number
from sac_tf.networks.layers import Dense, EnsembleDropout, Members
from sac_tf.networks.normalization import EnsembleBatchRenormalization, EnsembleLayerNormalization

EXPANSION = 4
"""Width of the inner layer of a residual block, as a multiple of the block's width."""


class Torso(Protocol):
    """Adds hidden layers to the inputs of an ensemble; an actor is an ensemble of one member."""

    def __call__(
        self,
        members: Members,
        dense: Dense,
        hidden_units: Sequence[int],
        activation: str,
        stream: Iterator[int],
    ) -> Members:
        """Returns the features, N tensors [B, F].

        Args:
          members: the inputs, N tensors [B, inputs].
          dense: makes the dense layers.
          hidden_units: widths of the hidden layers.
          activation: name of a Keras activation.
          stream: seeds, of which each layer with random weights or draws takes the next.
        """


@gin.configurable
def mlp_torso(
    members: Members,
    dense: Dense,
    hidden_units: Sequence[int],
    activation: str,
    stream: Iterator[int],
) -> Members:
    """`Torso`: dense -> activation, for each of `hidden_units`."""
    for units in hidden_units:
        members = dense(units, next(stream), activation)(members)
    return members


@gin.configurable
def layer_norm_torso(
    members: Members,
    dense: Dense,
    hidden_units: Sequence[int],
    activation: str,
    stream: Iterator[int],
) -> Members:
    """`Torso`: dense -> layer normalization -> activation, as in RLPD (2302.02948) with relu and in
    SERL with tanh."""
    for units in hidden_units:
        members = dense(units, next(stream))(members)
        members = EnsembleLayerNormalization()(members)
        members = activate(members, activation)
    return members


@gin.configurable
def droq_torso(
    members: Members,
    dense: Dense,
    hidden_units: Sequence[int],
    activation: str,
    stream: Iterator[int],
    rate: float = 0.01,
) -> Members:
    """`Torso`: dense -> dropout -> layer normalization -> activation (2110.02034, figure 2).

    Dropout of `rate` is always active: in the critic step, in the target critics, and in the Q
    values of the actor step.

    Args:
      rate: dropout rate, between 0 and 1.

    Raises:
      ConfigurationError: `rate` is not between 0 and 1.
    """
    require_number("droq_torso.rate", rate, lambda rate: 0 < rate < 1, "a number between 0 and 1")
    for units in hidden_units:
        members = dense(units, next(stream))(members)
        members = EnsembleDropout(rate, next(stream))(members)
        members = EnsembleLayerNormalization()(members)
        members = activate(members, activation)
    return members


@gin.configurable
def batch_renorm_torso(
    members: Members,
    dense: Dense,
    hidden_units: Sequence[int],
    activation: str,
    stream: Iterator[int],
    momentum: float = 0.99,
    warm_up: int = 100_000,
) -> Members:
    """`Torso`: batch renormalization before every dense layer, output layers included (CrossQ,
    1902.05605).

    Args:
      momentum: of the moving statistics, from 0 to below 1.
      warm_up: training calls with plain batch normalization before renormalization.

    Raises:
      ConfigurationError: `momentum` or `warm_up` is out of range.
    """
    require_momentum("batch_renorm_torso", momentum)
    require_count("batch_renorm_torso.warm_up", warm_up, minimum=0)
    members = EnsembleBatchRenormalization(momentum, warm_up)(members)
    for units in hidden_units:
        members = dense(units, next(stream), activation)(members)
        members = EnsembleBatchRenormalization(momentum, warm_up)(members)
    return members


@gin.configurable
def residual_torso(
    members: Members,
    dense: Dense,
    hidden_units: Sequence[int],
    activation: str,
    stream: Iterator[int],
) -> Members:
    """`Torso`: dense, then a block x + dense(activation(dense(norm(x)))) for each of
    `hidden_units`, then norm (SimBa, 2410.09754, figure 2).

    The norm is layer normalization, the inner dense layer is four times as wide. Initial weights
    are Glorot-uniform, as in all networks here; the authors initialize the blocks He-normal and the
    other layers orthogonal.

    Raises:
      ConfigurationError: `hidden_units` are not all equal, which the residual sums need.
    """
    members = dense(require_equal_units("residual_torso", hidden_units), next(stream))(members)
    for units in hidden_units:
        inner = EnsembleLayerNormalization()(members)
        inner = dense(EXPANSION * units, next(stream), activation)(inner)
        inner = dense(units, next(stream))(inner)
        members = [x + residual for x, residual in zip(members, inner, strict=True)]
    return EnsembleLayerNormalization()(members)


def require_momentum(torso: str, momentum: float) -> None:
    """Raises ConfigurationError unless `momentum` is one of moving statistics."""
    require_number(
        f"{torso}.momentum", momentum, lambda m: 0 <= m < 1, "a number from 0 to below 1"
    )


def require_equal_units(torso: str, hidden_units: Sequence[int]) -> int:
    """Returns the width of all hidden layers; raises ConfigurationError if they differ."""
    if len(set(hidden_units)) != 1:
        raise ConfigurationError(
            f"{torso} needs hidden_units that are all equal, got {tuple(hidden_units)}."
        )
    return hidden_units[0]


def activate(members: Members, activation: str) -> Members:
    """Returns the Keras activation of that name, applied to each member."""
    return [tf.keras.layers.Activation(activation)(x) for x in members]
