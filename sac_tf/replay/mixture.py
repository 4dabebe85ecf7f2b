"""The mixture of sources: every batch has an exact share of each, such as half prior data and half
online data (RLPD, 2302.02948)."""

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay.prior_data import PriorData
from sac_tf.replay.prioritized import KEY, UNIFORM_WEIGHT
from sac_tf.replay.protocols import Source
from sac_tf.types import WEIGHT, Transition

PRIOR_DATA = "prior_data"
"""Folder in that of the replay in a checkpoint."""


class Mixture:
    """A `Source` whose batches each have `fraction` of their rows from each of several sources.

    In a batch with prioritized rows, those of other sources have the weight of uniform draws.
    """

    def __init__(self, parts: Sequence[tuple[Source, float]], replicas: int = 1):
        """Takes the sources.

        Args:
          parts: sources and their fractions of each batch; the fractions add up to 1.
          replicas: number of devices that share a batch. Each gets the same fractions, because it
            takes every `replicas`-th row (`sac_tf.devices`).

        Raises:
          ConfigurationError: the fractions are not positive, or do not add up to 1.
        """
        self._sources = [source for source, _ in parts]
        self._fractions = [Fraction(fraction).limit_denominator(10_000) for _, fraction in parts]
        self._replicas = replicas
        if min(self._fractions) <= 0 or sum(self._fractions) != 1:
            raise ConfigurationError(
                "The fractions of a mixture must be above 0 and add up to 1, got "
                f"{', '.join(map(str, (fraction for _, fraction in parts)))}."
            )

    def sample(self, batches: int, batch_size: int) -> Transition:
        """As `Source.sample`.

        Raises:
          ConfigurationError: a source would give a replica a fraction of a row.
        """
        drawn = [
            source.sample(batches, rows)
            for source, rows in zip(self._sources, self._rows(batch_size), strict=True)
        ]
        names = sorted({name for part in drawn for name in part.extras})
        drawn = [part._replace(extras=_filled(part, names, drawn)) for part in drawn]
        return tf.nest.map_structure(lambda *leaves: tf.concat(leaves, axis=1), *drawn)

    def update_priorities(self, batches: Transition, td_error: tf.Tensor) -> None:
        """As `Source.update_priorities`; each source gets the rows that it gave."""
        start = 0
        for source, rows in zip(self._sources, self._rows(td_error.shape[1]), strict=True):
            own = slice(start, start + rows)
            source.update_priorities(
                tf.nest.map_structure(lambda leaf, own=own: leaf[:, own], batches),
                td_error[:, own],
            )
            start += rows

    def _rows(self, batch_size: int) -> list[int]:
        """Returns the rows of each source in a batch."""
        rows = [fraction * batch_size for fraction in self._fractions]
        if any(number % self._replicas for number in rows):
            multiple = self._replicas * math.lcm(*(x.denominator for x in self._fractions))
            raise ConfigurationError(
                f"train.batch_size={batch_size} cannot be mixed in the fractions "
                f"{', '.join(map(str, self._fractions))} on {self._replicas} device(s); set it to "
                f"a multiple of {multiple}."
            )
        return [int(number) for number in rows]


class SavedSource(Source, Protocol):
    """A `Source` that checkpoints have."""

    def save(self, folder: Path) -> None:
        """Writes its steps to the new folder `folder`; raises OSError."""


class ReplayWithPriorData:
    """The replay of a run and its prior data: each batch has an exact share of both. A
    `SavedSource`."""

    def __init__(self, replay: SavedSource, prior: PriorData, fraction: float, replicas: int):
        """Takes both.

        Args:
          replay: of the run.
          prior: is filled.
          fraction: of the rows of each batch that are prior data, above 0 and below 1.
          replicas: see `Mixture`.
        """
        self._replay = replay
        self._prior = prior
        self._mixture = Mixture([(replay, 1 - fraction), (prior, fraction)], replicas)

    def sample(self, batches: int, batch_size: int) -> Transition:
        """As `Source.sample`; the rows of the replay are first."""
        return self._mixture.sample(batches, batch_size)

    def update_priorities(self, batches: Transition, td_error: tf.Tensor) -> None:
        """As `Source.update_priorities`."""
        self._mixture.update_priorities(batches, td_error)

    def save(self, folder: Path) -> None:
        """Writes the steps of the replay, and which prior data there are; ends open episodes."""
        self._replay.save(folder)
        self._prior.end_episodes()
        self._prior.save(folder / PRIOR_DATA)


def _filled(
    part: Transition, names: Sequence[str], parts: Sequence[Transition]
) -> dict[str, tf.Tensor]:
    """Returns the extras of `part`, with those that only prioritized parts have."""
    extras = dict(part.extras)
    rows = part.reward.shape[1]
    for name in names:
        if name in extras:
            continue
        theirs = next(other.extras for other in parts if name in other.extras)
        source = {WEIGHT: UNIFORM_WEIGHT, UNIFORM_WEIGHT: UNIFORM_WEIGHT, KEY: KEY}[name]
        extras[name] = tf.repeat(theirs[source][:, :1], rows, axis=1)
    return extras
