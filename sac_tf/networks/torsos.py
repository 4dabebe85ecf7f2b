"""The hidden layers of actor and critics: what stands between their inputs and their last layers.

A torso works on the tensors of the members of an ensemble, of which an actor has one.
"""

from collections.abc import Callable, Iterator, Sequence

import gin
import tensorflow as tf

from sac_tf.errors import ConfigurationError, require_count, require_number
from sac_tf.networks.layers import EnsembleDropout, Members
from sac_tf.networks.normalization import EnsembleBatchRenormalization, EnsembleLayerNormalization

Layer = Callable[[Members], Members]
Dense = Callable[..., Layer]
"""f(units, seed, activation=None) -> a new dense layer."""
Torso = Callable[[Members, Dense, Sequence[int], str, Iterator[int]], Members]
"""f(inputs, dense, hidden_units, activation, stream of seeds) -> what the last layers take."""

_EXPANSION = 4
"""How many times wider than its input the inside of a residual block is."""


@gin.configurable
def mlp_torso(
    members: Members,
    dense: Dense,
    hidden_units: Sequence[int],
    activation: str,
    stream: Iterator[int],
) -> Members:
    """Dense -> activation, for each of `hidden_units`."""
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
    """Dense -> layer normalisation -> activation: RLPD (2302.02948) with relu, SERL with tanh."""
    for units in hidden_units:
        members = EnsembleLayerNormalization()(dense(units, next(stream))(members))
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
    """Dense -> dropout -> layer normalisation -> activation (2110.02034, figure 2).

    Dropout of `rate` is always on: in the critics' own step, in the targets, and in the Q values of
    the actor's step.
    """
    require_number("droq_torso.rate", rate, lambda rate: 0 < rate < 1, "a number between 0 and 1")
    for units in hidden_units:
        members = dense(units, next(stream))(members)
        members = EnsembleDropout(rate, next(stream))(members)
        members = activate(EnsembleLayerNormalization()(members), activation)
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
    """Batch renormalisation before every dense layer, the last ones included (1902.05605).

    `momentum` and `warm_up` are those of `EnsembleBatchRenormalization`.
    """
    require_number(
        "batch_renorm_torso.momentum", momentum, lambda m: 0 <= m < 1, "a number from 0 to below 1"
    )
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
    """Dense, then x + Dense(activation(Dense(norm(x)))) for each of `hidden_units`, then norm
    (2410.09754, figure 2).

    The norm is layer normalisation, the inner dense layer four times as wide. Weights start
    Glorot-uniform, as everywhere here; the authors' start He-normal in the blocks and orthogonal
    outside.

    Raises:
      ConfigurationError: `hidden_units` are not all equal, so nothing could be added to what it
        came from.
    """
    if len(set(hidden_units)) != 1:
        raise ConfigurationError(
            f"residual_torso needs hidden_units that are all equal, got {tuple(hidden_units)}."
        )
    members = dense(hidden_units[0], next(stream))(members)
    for units in hidden_units:
        inner = EnsembleLayerNormalization()(members)
        inner = dense(_EXPANSION * units, next(stream), activation)(inner)
        inner = dense(units, next(stream))(inner)
        members = [x + change for x, change in zip(members, inner, strict=True)]
    return EnsembleLayerNormalization()(members)


def activate(members: Members, activation: str) -> Members:
    """Returns the activation of each member."""
    return [tf.keras.layers.Activation(activation)(x) for x in members]
