"""Two ways to draw batches: from a copy of the rows beside the learner, or from Reverb itself."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import gin
import numpy as np
import reverb
import tensorflow as tf

from sac_tf.errors import RunError
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.tables import COLUMN, QUEUE_TABLE, REPLAY_TABLE, TIMEOUT_S
from sac_tf.types import Transition

_IO_ROWS = 65_536
ROWS_FILE = "resident_rows.npy"

Feed = Callable[[tf.data.Dataset], Iterator]
"""Returns an iterator over a dataset, which a compiled function can call."""


def fetched_ahead(dataset: tf.data.Dataset) -> Iterator:
    """The `Feed` of one process: the next batch is on its way while the last one is learned
    from."""
    return iter(dataset.prefetch(1))


@gin.configurable
class ResidentSampler:
    """Uniform draws from a ring of rows in TensorFlow memory, which reads each row once from
    Reverb's queue.

    The cost of a batch does not grow with what Reverb asks for a sample, and the draws come from
    the run's own generator, so the same seed gives the same batches. The default in one process.
    """

    reads_queue, writes_priorities, new_priority = True, False, 1.0

    def __init__(
        self,
        addresses: Sequence[str],
        packer: RowPacker,
        capacity: int,
        expected_rows: int,
        generator: tf.random.Generator,
    ):
        """Makes an empty ring of `capacity` rows, or the `expected_rows` if fewer, fed by the one
        server given."""
        (address,) = addresses
        self._packer, self._generator, self._capacity = (
            packer,
            generator,
            min(capacity, expected_rows),
        )
        self._rows = tf.Variable(
            tf.zeros([self._capacity, packer.width]), trainable=False, name="resident_rows"
        )
        self._count = tf.Variable(0, dtype=tf.int64, name="resident_count")
        dataset = reverb.TrajectoryDataset(
            address,
            QUEUE_TABLE,
            dtypes={COLUMN: tf.float32},
            shapes={COLUMN: tf.TensorShape([None, packer.width])},
            max_in_flight_samples_per_worker=1,
            num_workers_per_iterator=1,  # one worker keeps the order
            rate_limiter_timeout_ms=1000 * TIMEOUT_S,
        )
        self._blocks = iter(dataset)

    @property
    def rows_received(self) -> int:
        """Rows ever put in the ring."""
        return int(self._count)

    def receive(self, rows: int) -> None:
        """Reads blocks from the queue until `rows` rows have ever been received."""
        while self.rows_received < rows:
            try:
                self._receive_block()
            except tf.errors.OutOfRangeError as error:
                raise RunError(f"Reverb's queue gave no rows for {TIMEOUT_S} s.") from error

    def sample(self, number: int) -> Transition:
        """Returns `number` transitions, drawn with replacement; to be called inside a
        `tf.function`."""
        size = tf.minimum(self._count, self._capacity)
        drawn = self._generator.uniform([number], maxval=size, dtype=tf.int64)
        return self._packer.unpack(tf.gather(self._rows, drawn))

    def learned_from(self, rows: Transition, td_error: tf.Tensor) -> None:
        """Uniform draws do not depend on errors."""

    def save(self, folder: Path) -> None:
        """Writes the filled part of the ring to `folder`, a block at a time."""
        size = min(self.rows_received, self._capacity)
        file = np.lib.format.open_memmap(
            folder / ROWS_FILE, "w+", np.float32, (size, self._rows.shape[1])
        )
        for start in range(0, size, _IO_ROWS):
            file[start : start + _IO_ROWS] = tf.gather(
                self._rows, tf.range(start, min(start + _IO_ROWS, size))
            )
        file.flush()

    def restore(self, folder: Path, rows_received: int) -> None:
        """Fills the ring with what `save` wrote after `rows_received` rows."""
        file = np.load(folder / ROWS_FILE, mmap_mode="r")
        for start in range(0, len(file), _IO_ROWS):
            block = np.array(file[start : start + _IO_ROWS])
            self._rows.scatter_update(tf.IndexedSlices(block, tf.range(start, start + len(block))))
        self._count.assign(rows_received)

    @tf.function(autograph=False)
    def _receive_block(self) -> None:
        block = next(self._blocks).data[COLUMN]
        positions = (self._count + tf.range(tf.shape(block, tf.int64)[0])) % self._capacity
        self._rows.scatter_update(tf.IndexedSlices(block, positions))
        self._count.assign_add(tf.shape(block, tf.int64)[0])


@gin.configurable
class ReverbSampler:
    """Draws by Reverb's own sampler, from one server or evenly from several. Not repeatable.

    Has the methods of `ResidentSampler`, but keeps no rows and so has none to receive, save or
    restore.
    """

    reads_queue, writes_priorities, new_priority = False, False, 1.0

    def __init__(
        self,
        addresses: Sequence[str],
        packer: RowPacker,
        capacity: int,
        expected_rows: int,
        generator: tf.random.Generator,
        feed: Feed = fetched_ahead,
    ):
        """Draws rows from the servers at `addresses`. Reverb draws with its own generator and its
        own capacity.

        Args:
          addresses, packer: of the servers and of the task.
          capacity, expected_rows, generator: not used.
          feed: how the update gets the batches of a dataset.
        """
        del capacity, expected_rows, generator
        self._packer, self._feed = packer, feed
        self._sources = [self._connect(address) for address in addresses]

    def receive(self, rows: int) -> None:
        """Reverb has them."""

    def learned_from(self, rows: Transition, td_error: tf.Tensor) -> None:
        """Uniform draws do not depend on errors."""

    def save(self, folder: Path) -> None:
        """Reverb's checkpoint has them."""

    def restore(self, folder: Path, rows_received: int) -> None:
        """Reverb's checkpoint had them."""

    def sample(self, number: int) -> Transition:
        """Returns `number` transitions; to be called inside a `tf.function`, once."""
        return self.draw(number)[0]

    def draw(self, number: int) -> tuple[Transition, reverb.SampleInfo]:
        """As `sample`, with what Reverb says of each row."""
        with tf.init_scope():
            batches = self._feed(self._batches(number))
        drawn = next(batches)
        return self._packer.unpack(drawn.data[COLUMN]), drawn.info

    def _batches(self, number: int) -> tf.data.Dataset:
        """Batches of `number` rows, an even part of each from every server."""
        ends = np.linspace(0, number, len(self._sources) + 1).astype(int)
        parts = [
            s.batch(int(n), drop_remainder=True)
            for s, n in zip(self._sources, np.diff(ends), strict=True)
        ]
        if len(parts) == 1:
            return parts[0]
        return tf.data.Dataset.zip(tuple(parts)).map(
            lambda *shares: tf.nest.map_structure(lambda *leaves: tf.concat(leaves, 0), *shares)
        )

    def _connect(self, address: str) -> tf.data.Dataset:
        return reverb.TimestepDataset(
            address,
            REPLAY_TABLE,
            dtypes={COLUMN: tf.float32},
            shapes={COLUMN: tf.TensorShape([self._packer.width])},
            max_in_flight_samples_per_worker=1024,
            rate_limiter_timeout_ms=1000 * TIMEOUT_S,
        )
