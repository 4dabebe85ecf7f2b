"""Reverb's own sampler, and how batches are fetched from it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import gin
import numpy as np
import reverb
import tensorflow as tf

from sac_tf.replay.protocols import Feed
from sac_tf.replay.tables import (
    REPLAY_TABLE,
    TIMEOUT_S,
    column_of_step,
    items_of,
    rows_of_item,
    window_signature,
)
from sac_tf.replay.windows import Windows
from sac_tf.types import Transition


def fetched_ahead(dataset: tf.data.Dataset) -> Iterator:
    """The `Feed` of one process: fetches the next batch while the update uses the present one.

    Before the first batch is asked for it fetches nothing: Reverb's sampler would draw from the
    first few steps as soon as they are stored.
    """
    when_asked = tf.data.Dataset.from_tensors(0).flat_map(lambda _: dataset.prefetch(1))
    return iter(when_asked.with_options(dataset.options()))


@gin.configurable
class ReverbSampler:
    """A `Sampler` that draws by Reverb's own sampler, from one server or evenly from several.

    Its draws have no seed, so runs are not reproducible. The default in a distributed run.
    """

    reads_queue = False
    rows_kept = 0
    writes_priorities = False
    new_priority = 1.0

    def __init__(
        self,
        addresses: Sequence[str],
        windows: Windows,
        capacity: int,
        expected_steps: int,
        generator: tf.random.Generator,
        feed: Feed,
    ):
        """Connects to the servers. Reverb has its own capacity, and draws by its own generator;
        `generator` is for hindsight."""
        del capacity, expected_steps
        self._windows = windows
        self._generator = generator
        self._feed = feed
        self._sources = [self._connect(address) for address in addresses]

    def synchronize(self, rows: int, transitions: int) -> None:
        """Nothing to do: Reverb stores the steps."""

    def update_priorities(self, batch: Transition, td_error: tf.Tensor) -> None:
        """Nothing to do: uniform draws do not depend on TD errors."""

    def save(self, folder: Path) -> None:
        """Nothing to do: the steps are in Reverb's checkpoint."""

    def restore(self, folder: Path, rows: int, transitions: int) -> None:
        """Nothing to do: Reverb restores the steps."""

    def sample(self, number: int) -> Transition:
        """Returns `number` transitions."""
        return self.draw(number)[0]

    def draw(self, number: int) -> tuple[Transition, reverb.SampleInfo]:
        """Returns `number` transitions and Reverb's information on each."""
        with tf.init_scope():
            batches = self._feed(self._batches(number))
        drawn = next(batches)
        item_rows = rows_of_item(self._windows)
        rows = {
            dtype: tf.stack(
                [drawn.data[column_of_step(dtype, step)] for step in range(item_rows)],
                axis=1,
            )
            for dtype in self._windows.columns.widths
        }
        return self._windows.transition(rows, self._generator), drawn.info

    def _batches(self, number: int) -> tf.data.Dataset:
        """Returns batches of `number` rows, an even share of each from every server."""
        ends = np.linspace(0, number, len(self._sources) + 1).astype(int)
        parts = [
            source.batch(int(rows), drop_remainder=True)
            for source, rows in zip(self._sources, np.diff(ends), strict=True)
        ]
        if len(parts) == 1:
            return parts[0]
        return tf.data.Dataset.zip(tuple(parts)).map(
            lambda *shares: tf.nest.map_structure(lambda *leaves: tf.concat(leaves, 0), *shares)
        )

    def _connect(self, address: str) -> tf.data.Dataset:
        return items_of(
            address,
            REPLAY_TABLE,
            window_signature(self._windows),
            max_in_flight_samples_per_worker=1024,
            rate_limiter_timeout_ms=1000 * TIMEOUT_S,
        )
