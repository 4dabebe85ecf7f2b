"""Samplers: batches from the learner's own copy of the rows, or from Reverb itself."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import gin
import numpy as np
import reverb
import tensorflow as tf

from sac_tf.errors import ConfigurationError, RunError
from sac_tf.pinned.kernels import uninitialized
from sac_tf.replay.memory import require_memory
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.protocols import Feed
from sac_tf.replay.tables import COLUMN, QUEUE_TABLE, REPLAY_TABLE, TIMEOUT_S
from sac_tf.types import Transition

ROWS_FILE = "resident_rows.npy"
_IO_ROWS = 65_536


def fetched_ahead(dataset: tf.data.Dataset) -> Iterator:
    """The `Feed` of one process: fetches the next batch while the update uses the present one."""
    return iter(dataset.prefetch(1))


@gin.configurable
class ResidentSampler:
    """A `Sampler` that draws uniformly from a ring of rows in TensorFlow memory, which reads each
    row once from Reverb's queue. The default in one process.

    A batch costs one gather, at any UTD ratio. The draws use the generator of the run, so the same
    seed gives the same batches. The ring takes memory as rows arrive.
    """

    reads_queue = True
    writes_priorities = False
    new_priority = 1.0

    def __init__(
        self,
        addresses: Sequence[str],
        packer: RowPacker,
        capacity: int,
        expected_rows: int,
        generator: tf.random.Generator,
        feed: Feed,
    ):
        """Makes an empty ring of `capacity` rows, or `expected_rows` if fewer, on one server.

        Raises:
          ConfigurationError: there are several servers, as in a distributed run, whose learner sees
            only the rows that it samples; or the rows do not fit into memory.
        """
        del feed  # blocks are read when they arrive
        if len(addresses) > 1:
            raise ConfigurationError(
                "BatchReader.sampler=@ResidentSampler keeps a copy of every row, which a "
                "distributed learner never receives; use @ReverbSampler there."
            )
        require_memory(capacity, expected_rows, packer.width, copies=2)
        self._packer = packer
        self._generator = generator
        self._capacity = min(capacity, expected_rows)
        with tf.device("CPU:0"):  # a full replay is larger than the memory of most GPUs
            rows = uninitialized([self._capacity, packer.width])
            self._rows = tf.Variable(rows, trainable=False, name="resident_rows")
        self._count = tf.Variable(0, dtype=tf.int64, name="resident_count")
        dataset = reverb.TrajectoryDataset(
            addresses[0],
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
        """Rows received so far, also those that newer rows replaced."""
        return int(self._count)

    def synchronize(self, rows_added: int) -> None:
        """Reads blocks from the queue until `rows_added` rows were ever received."""
        while self.rows_received < rows_added:
            try:
                self._receive_block()
            except tf.errors.OutOfRangeError as error:
                raise RunError(f"Reverb's queue gave no rows for {TIMEOUT_S} s.") from error

    def sample(self, number: int) -> Transition:
        """Returns `number` transitions, drawn with replacement."""
        size = tf.minimum(self._count, self._capacity)
        drawn = self._generator.uniform([number], maxval=size, dtype=tf.int64)
        return self._packer.unpack(tf.gather(self._rows, drawn))

    def update_priorities(self, batch: Transition, td_error: tf.Tensor) -> None:
        """Nothing to do: uniform draws do not depend on TD errors."""

    def save(self, folder: Path) -> None:
        """Writes the filled part of the ring into `folder`, block by block."""
        size = min(self.rows_received, self._capacity)
        shape = (size, self._rows.shape[1])
        file = np.lib.format.open_memmap(folder / ROWS_FILE, "w+", np.float32, shape)
        for start in range(0, size, _IO_ROWS):
            end = min(start + _IO_ROWS, size)
            file[start:end] = tf.gather(self._rows, tf.range(start, end))
        file.flush()

    def restore(self, folder: Path, rows_added: int) -> None:
        """Fills the ring with what `save` wrote."""
        file = np.load(folder / ROWS_FILE, mmap_mode="r")
        for start in range(0, len(file), _IO_ROWS):
            block = np.array(file[start : start + _IO_ROWS])
            positions = tf.range(start, start + len(block))
            self._rows.scatter_update(tf.IndexedSlices(block, positions))
        self._count.assign(rows_added)

    @tf.function(autograph=False)
    def _receive_block(self) -> None:
        block = next(self._blocks).data[COLUMN]
        rows = tf.shape(block, tf.int64)[0]
        positions = (self._count + tf.range(rows)) % self._capacity
        self._rows.scatter_update(tf.IndexedSlices(block, positions))
        self._count.assign_add(rows)


@gin.configurable
class ReverbSampler:
    """A `Sampler` that draws by Reverb's own sampler, from one server or evenly from several.

    Its draws have no seed, so runs are not reproducible. The default in a distributed run.
    """

    reads_queue = False
    writes_priorities = False
    new_priority = 1.0

    def __init__(
        self,
        addresses: Sequence[str],
        packer: RowPacker,
        capacity: int,
        expected_rows: int,
        generator: tf.random.Generator,
        feed: Feed,
    ):
        """Connects to the servers; Reverb has its own capacity and its own generator."""
        del capacity, expected_rows, generator
        self._packer = packer
        self._feed = feed
        self._sources = [self._connect(address) for address in addresses]

    def synchronize(self, rows_added: int) -> None:
        """Nothing to do: Reverb stores the rows."""

    def update_priorities(self, batch: Transition, td_error: tf.Tensor) -> None:
        """Nothing to do: uniform draws do not depend on TD errors."""

    def save(self, folder: Path) -> None:
        """Nothing to do: the rows are in Reverb's checkpoint."""

    def restore(self, folder: Path, rows_added: int) -> None:
        """Nothing to do: Reverb restores the rows."""

    def sample(self, number: int) -> Transition:
        """Returns `number` transitions."""
        return self.draw(number)[0]

    def draw(self, number: int) -> tuple[Transition, reverb.SampleInfo]:
        """Returns `number` transitions and Reverb's information on each."""
        with tf.init_scope():
            batches = self._feed(self._batches(number))
        drawn = next(batches)
        return self._packer.unpack(drawn.data[COLUMN]), drawn.info

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
        return reverb.TimestepDataset(
            address,
            REPLAY_TABLE,
            dtypes={COLUMN: tf.float32},
            shapes={COLUMN: tf.TensorShape([self._packer.width])},
            max_in_flight_samples_per_worker=1024,
            rate_limiter_timeout_ms=1000 * TIMEOUT_S,
        )
