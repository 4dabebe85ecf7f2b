"""The resident sampler: draws from the learner's own copy of the newest steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import gin
import tensorflow as tf

from sac_tf.errors import ConfigurationError, RunError
from sac_tf.replay.memory import require_memory
from sac_tf.replay.protocols import Feed
from sac_tf.replay.ring import Ring, ring_bytes
from sac_tf.replay.tables import (
    LINKS,
    QUEUE_TABLE,
    ROWS,
    SEGMENT,
    TIMEOUT_S,
    items_of,
    rows_of_segment,
    segment_signature,
    segments_kept,
)
from sac_tf.replay.windows import Windows
from sac_tf.types import Transition


@gin.configurable
class ResidentSampler:
    """A `Sampler` that draws uniformly from a ring of steps in TensorFlow's memory, which reads
    each step once from Reverb's queue. The default in one process.

    A batch costs one gather, at any UTD ratio. The draws use the generator of the run, so the same
    seed gives the same batches.
    """

    reads_queue = True
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
        """Makes an empty ring of `capacity` rows, or fewer if fewer steps are expected, on one
        server.

        Raises:
          ConfigurationError: there are several servers, as in a distributed run, whose learner sees
            only the steps that it samples; or the steps do not fit into memory.
        """
        del feed  # blocks are read when they arrive
        if len(addresses) > 1:
            raise ConfigurationError(
                "BatchReader.sampler=@ResidentSampler keeps a copy of every step, which a "
                "distributed learner never receives; use @ReverbSampler there."
            )
        step_bytes = windows.columns.row_bytes + ring_bytes(windows)
        require_memory(capacity, expected_steps, step_bytes)
        segments = segments_kept(capacity)
        # At most every second row is a final observation.
        rows = min(segments * rows_of_segment(capacity), 2 * expected_steps)
        self._windows = windows
        self._generator = generator
        self._ring = Ring(windows, rows, segments)
        self._blocks = iter(read_queue(addresses[0], windows))

    @property
    def rows_kept(self) -> int:
        """Rows in the ring."""
        return self._ring.rows_kept

    def synchronize(self, rows: int, transitions: int) -> None:
        """Reads blocks from the queue until `rows` rows were received."""
        del transitions
        while self._ring.rows_received < rows:
            try:
                self._receive_block()
            except tf.errors.OutOfRangeError as error:
                raise RunError(f"Reverb's queue gave no steps for {TIMEOUT_S} s.") from error
        if rows and not self._ring.size:
            raise RunError(
                "The replay dropped the steps of all of its transitions; set tables.capacity to a "
                "larger number."
            )

    def save(self, folder: Path) -> None:
        """Nothing to do: the steps are in Reverb's checkpoint."""

    def restore(self, folder: Path, rows: int, transitions: int) -> None:
        """Reads the `rows` rows of a checkpoint, which the queue then has."""
        del folder
        self.synchronize(rows, transitions)

    def sample(self, number: int) -> Transition:
        """Returns `number` transitions, drawn with replacement."""
        return self._windows.transition(self._ring.sample(number, self._generator), self._generator)

    def update_priorities(self, batch: Transition, td_error: tf.Tensor) -> None:
        """Nothing to do: uniform draws do not depend on TD errors."""

    @tf.function(autograph=False)
    def _receive_block(self) -> None:
        self._add(next(self._blocks).data)

    def _add(self, block: Mapping[str, tf.Tensor]) -> None:
        number = block[ROWS]
        rows = {dtype: block[dtype][:number] for dtype in self._windows.columns.widths}
        links = block[LINKS][:number]
        self._ring.receive(rows, back=links[:, 0], age=links[:, 1], segment=block[SEGMENT])


def read_queue(address: str, windows: Windows) -> tf.data.Dataset:
    """Returns the blocks of a server's queue in order."""
    return items_of(
        address,
        QUEUE_TABLE,
        segment_signature(windows),
        max_in_flight_samples_per_worker=1,  # none in advance: another reader would miss them
        num_workers_per_iterator=1,  # one worker keeps the order
        rate_limiter_timeout_ms=1000 * TIMEOUT_S,
    )
