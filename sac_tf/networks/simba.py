"""Residual, normalised networks in the style of SimBa (2410.09754, figure 2).

The paper also normalises observations by their running mean and variance, which is no part of a network here.
"""

from collections.abc import Iterator, Sequence

import gin
import tensorflow as tf

from sac_tf.errors import require_count
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.layers import Members
from sac_tf.networks.normalization import EnsembleLayerNormalization
from sac_tf.networks.torsos import Dense
from sac_tf.types import EnvironmentSpec

_EXPANSION = 4
"""How many times wider than its input the inside of a block is."""


@gin.register
def simba_actor(spec: EnvironmentSpec, seed: int, units: int = 128, blocks: int = 1) -> tf.keras.Model:
    """Returns an actor as `make_actor` does, of `blocks` residual blocks on `units` features."""
    return make_actor(spec, seed, _hidden_units("simba_actor", units, blocks), torso=residual_torso)


@gin.register
def simba_critic(
    spec: EnvironmentSpec, seed: int, ensemble_size: int = 2, units: int = 512, blocks: int = 2
) -> tf.keras.Model:
    """Returns critics as `make_critic` does, of `blocks` residual blocks on `units` features."""
    hidden_units = _hidden_units("simba_critic", units, blocks)
    return make_critic(spec, seed, ensemble_size, hidden_units, torso=residual_torso)


def residual_torso(
    members: Members, dense: Dense, hidden_units: Sequence[int], activation: str, stream: Iterator[int]
) -> Members:
    """Dense, then x + Dense(activation(Dense(norm(x)))) for each of `hidden_units`, all equal, then norm.

    The norm is layer normalisation, the inner dense layer four times as wide. Weights start Glorot-uniform, as
    everywhere here; the authors' start He-normal in the blocks and orthogonal outside.
    """
    members = dense(hidden_units[0], next(stream))(members)
    for units in hidden_units:
        inner = EnsembleLayerNormalization()(members)
        inner = dense(_EXPANSION * units, next(stream), activation)(inner)
        inner = dense(units, next(stream))(inner)
        members = [x + change for x, change in zip(members, inner, strict=True)]
    return EnsembleLayerNormalization()(members)


def _hidden_units(name: str, units: int, blocks: int) -> tuple[int, ...]:
    return (require_count(f"{name}.units", units),) * require_count(f"{name}.blocks", blocks)
