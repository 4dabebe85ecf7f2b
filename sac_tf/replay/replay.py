"""Single-process replay: server, writer and reader behind one interface; a `Sink` and `Source`."""

import contextlib
from collections.abc import Callable, Collection
from pathlib import Path

import gin
import numpy as np
import reverb
import tensorflow as tf

from sac_tf.errors import RunError
from sac_tf.replay.memory import require_memory
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.reader import BatchReader
from sac_tf.replay.samplers import ROWS_FILE, ResidentSampler, fetched_ahead
from sac_tf.replay.tables import ReplayServer, make_tables
from sac_tf.replay.writer import TransitionWriter, wait_once
from sac_tf.types import EnvironmentSpec, Transition

_REVERB = "reverb"
_ROWS_ADDED = "rows_added.txt"


@gin.configurable
class Replay:
    """Stores transitions and samples batches; a restored replay equals the saved one.

    Args:
      spec: of the task.
      generator: for draws, if the sampler can use it.
      discount: of one environment step.
      staging: a folder that Reverb may write into.
      expected_rows: rows that will be added, not counting those restored; no memory is taken for
        more.
      restore_from: a folder that `save` wrote, or None.
      tables: f(width) builds the Reverb tables, the replay table first.
      server: f(tables, staging, restore_from) starts the server.
      writer: builds the part that inserts transitions.
      reader: builds the part that samples batches.

    Raises:
      ConfigurationError: settings of table and sampler that contradict each other, or too little
        memory.
      RunError: Reverb restored other rows than were saved.

    Attributes:
      packer: of the task.
      capacity: rows that the replay table keeps.
    """

    def __init__(
        self,
        spec: EnvironmentSpec,
        generator: tf.random.Generator,
        discount: float,
        staging: Path,
        expected_rows: int,
        restore_from: Path | None,
        tables: Callable[..., list[reverb.Table]] = make_tables,
        server: Callable[..., ReplayServer] = ReplayServer,
        writer: Callable[..., TransitionWriter] = TransitionWriter,
        reader: Callable[..., BatchReader] = BatchReader,
    ):
        """Starts a Reverb server, with the rows in `restore_from`."""
        self.packer = RowPacker(spec)
        made = tables(self.packer.width)
        self.capacity = made[0].info.max_size
        if restore_from is not None:
            expected_rows += _rows_added(restore_from)
        self._server = server(made, staging, restore_from and restore_from / _REVERB)
        with contextlib.ExitStack() as on_error:
            on_error.callback(self._server.stop)
            self._reader = reader(
                self.packer,
                [self._server.address],
                self.capacity,
                expected_rows,
                generator,
                feed=fetched_ahead,
                default=ResidentSampler,
            )
            self._reader.check_table(made[0].info)
            reads_queue = self._reader.sampler.reads_queue
            if not reads_queue:  # else the sampler has checked its copy and Reverb's
                require_memory(self.capacity, expected_rows, self.packer.width, copies=1)
            clients = [self._server.client]
            self._writer = writer(self.packer, clients, reads_queue, wait_once, discount)
            on_error.callback(self._writer.close)
            self._restore(restore_from)
            on_error.pop_all()

    @property
    def rows_added(self) -> int:
        """Rows ever added."""
        return self._writer.rows_added

    @property
    def size(self) -> int:
        """Rows that the replay table holds."""
        return min(self.rows_added, self.capacity)

    def add(self, transition: Transition, step: int, ended: Collection[int] = ()) -> None:
        """As `Sink.add`."""
        self._writer.add(transition, step, ended, priority=self._reader.sampler.new_priority)

    def add_rows(self, rows: np.ndarray) -> None:
        """Adds packed rows [n, W] as they are, for example those that another replay saved."""
        self._writer.add_rows(rows, priority=self._reader.sampler.new_priority)

    def sample(self, batches: int, batch_size: int) -> Transition:
        """As `Source.sample`."""
        return self._reader.sample(batches, batch_size)

    def update_priorities(self, batches: Transition, td_error: tf.Tensor) -> None:
        """As `Source.update_priorities`."""
        self._reader.update_priorities(batches, td_error)

    def refresh(self) -> None:
        """Makes added rows available to `sample`, in whole blocks, which cost less memory and time
        than single rows."""
        if self.rows_added == self._writer.unpublished:
            self._writer.publish()
        self._reader.sampler.synchronize(self.rows_added - self._writer.unpublished)

    def publish(self) -> None:
        """Makes all added rows available to `sample`."""
        self._writer.publish()
        self._reader.sampler.synchronize(self.rows_added)

    def end_episodes(self) -> None:
        """Adds the rows that n-step windows hold back, and publishes all. The next transitions must
        begin episodes."""
        self._writer.add_unfinished(priority=self._reader.sampler.new_priority)
        self.publish()

    def save(self, folder: Path) -> None:
        """Writes all rows to the new folder `folder`. The next transitions must begin episodes, as
        after a restart."""
        self.end_episodes()
        folder.mkdir()
        (folder / _ROWS_ADDED).write_text(str(self.rows_added))
        self._server.checkpoint(folder / _REVERB)
        self._reader.save(folder)

    def _restore(self, folder: Path | None) -> None:
        """Restores the sampler's rows, and checks those that Reverb restored."""
        if folder is None:
            return
        self._writer.rows_added = _rows_added(folder)
        self._reader.restore(folder, self.rows_added)
        if self._server.size() != self.size:
            raise RunError(
                f"Reverb restored {self._server.size()} of the {self.size} rows in {folder}."
            )

    def close(self) -> None:
        self._writer.close()
        self._server.stop()


def saved_rows(folder: Path) -> list[np.ndarray] | None:
    """Returns the rows that a `Replay` saved in `folder`, oldest first.

    Returns: arrays [n, W] that are read from disk on access; None if the sampler kept no copy:
      Reverb itself does not list the rows of a table in order.
    """
    if not (folder / ROWS_FILE).exists():
        return None
    ring = np.load(folder / ROWS_FILE, mmap_mode="r")
    oldest = 0
    if _rows_added(folder) > len(ring) > 0:
        oldest = _rows_added(folder) % len(ring)
    return [ring[oldest:], ring[:oldest]]


def _rows_added(folder: Path) -> int:
    return int((folder / _ROWS_ADDED).read_text())
