"""Output layers of networks, between their torso and what their outputs mean."""

from collections.abc import Iterator
from typing import Protocol

import gin

from sac_tf.networks.layers import Dense, Members


class Output(Protocol):
    """Adds an output layer to the features of an ensemble."""

    def __call__(
        self, members: Members, units: int, dense: Dense, stream: Iterator[int]
    ) -> Members:
        """Returns N tensors [B, units].

        Args:
          members: features, N tensors [B, F].
          units: number of outputs.
          dense: makes the dense layers.
          stream: seeds, of which each layer with random weights takes the next.
        """


@gin.configurable
def linear_output(members: Members, units: int, dense: Dense, stream: Iterator[int]) -> Members:
    """`Output` of a dense layer."""
    return dense(units, next(stream))(members)


@gin.configurable
def unit_norm_output(members: Members, units: int, dense: Dense, stream: Iterator[int]) -> Members:
    """`Output` of a dense layer whose columns have a norm of 1, with a free bias (XQC, 2509.25174,
    and FlashSAC, 2604.04539)."""
    return dense(units, next(stream), unit_norm=True)(members)
