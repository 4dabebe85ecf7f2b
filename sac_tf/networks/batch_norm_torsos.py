"""Torsos with batch normalization and weights of a fixed norm: XQC and FlashSAC."""

from collections.abc import Iterator, Sequence

import gin

from sac_tf.networks.layers import Dense, Members, unit_norm_dense
from sac_tf.networks.normalization import (
    EnsembleBatchNormalization,
    EnsembleRmsNormalization,
)
from sac_tf.networks.torsos import EXPANSION, activate, require_equal_units, require_momentum

_FLASH_EPSILON = 1e-5
"""Added to the variance in FlashSAC; 1e-3 in XQC."""


@gin.configurable
def batch_norm_torso(
    members: Members,
    dense: Dense,
    hidden_units: Sequence[int],
    activation: str,
    stream: Iterator[int],
    momentum: float = 0.99,
) -> Members:
    """`Torso`: batch normalization, then dense -> batch normalization -> activation for each of
    `hidden_units` (XQC, 2509.25174). Dense layers have columns of norm 1 and no bias.

    Args:
      momentum: of the moving statistics, from 0 to below 1.

    Raises:
      ConfigurationError: `momentum` is out of range.
    """
    require_momentum("batch_norm_torso", momentum)
    members = EnsembleBatchNormalization(momentum)(members)
    for units in hidden_units:
        members = unit_norm_dense(dense, members, units, stream)
        members = EnsembleBatchNormalization(momentum)(members)
        members = activate(members, activation)
    return members


@gin.configurable
def batch_norm_residual_torso(
    members: Members,
    dense: Dense,
    hidden_units: Sequence[int],
    activation: str,
    stream: Iterator[int],
    momentum: float = 0.99,
) -> Members:
    """`Torso` of FlashSAC (2604.04539, section 4): batch normalization, dense, a residual block for
    each of `hidden_units`, then root-mean-square normalization.

    A block is twice dense -> batch normalization -> activation, four times as wide inside. Dense
    layers have columns of norm 1 and no bias; scale and offset of a normalization have a fixed
    norm.

    Args:
      momentum: of the moving statistics, from 0 to below 1.

    Raises:
      ConfigurationError: `momentum` is out of range, or `hidden_units` are not all equal.
    """
    require_momentum("batch_norm_residual_torso", momentum)
    units = require_equal_units("batch_norm_residual_torso", hidden_units)

    def normalize(members: Members) -> Members:
        return EnsembleBatchNormalization(momentum, _FLASH_EPSILON, fixed_norm=True)(members)

    members = unit_norm_dense(dense, normalize(members), units, stream)
    for _ in hidden_units:
        inner = members
        for width in (EXPANSION * units, units):
            inner = activate(normalize(unit_norm_dense(dense, inner, width, stream)), activation)
        members = [x + residual for x, residual in zip(members, inner, strict=True)]
    return EnsembleRmsNormalization()(members)
