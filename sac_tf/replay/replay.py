"""The replay of one process: server, writer and reader behind five verbs."""

from collections.abc import Callable, Collection
from pathlib import Path

import gin
import numpy as np
import reverb
import tensorflow as tf

from sac_tf.errors import RunError
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.reader import BatchReader
from sac_tf.replay.samplers import ROWS_FILE
from sac_tf.replay.tables import ReplayServer, make_tables
from sac_tf.replay.writer import TransitionWriter
from sac_tf.types import EnvironmentSpec, Transition

_ROWS_ADDED = "rows_added.txt"


@gin.configurable
class Replay:
    """Takes transitions in, gives batches out, and goes through a checkpoint unchanged.

    Attributes:
      packer: of the task.
      capacity: rows that the replay table keeps.
      collects: every row passes here.
    """

    collects = True

    def __init__(
        self,
        spec: EnvironmentSpec,
        generator: tf.random.Generator,
        staging: Path,
        expected_rows: int,
        restore_from: Path | None = None,
        tables: Callable[..., list[reverb.Table]] = make_tables,
        server: Callable[..., ReplayServer] = ReplayServer,
        writer: Callable[..., TransitionWriter] = TransitionWriter,
        reader: Callable[..., BatchReader] = BatchReader,
    ):
        """Starts a Reverb server.

        Args:
          spec: of the task.
          generator: for draws, if the sampler can use it.
          staging: a folder that Reverb may write into.
          expected_rows: no more rows than this will come beside those restored, so no memory for
            more is taken.
          restore_from: a folder that `save` wrote.
          tables: f(width) returns the Reverb tables, the replay table first.
          server: f(tables, staging, restore_from).
          writer: f(packer, clients, with_queue).
          reader: f(packer, addresses, capacity, expected_rows, generator).

        Raises:
          ConfigurationError: priorities that the table draws by and the sampler does not write, or
            the reverse.
        """
        self.packer = RowPacker(spec)
        made = tables(self.packer.width)
        self.capacity = made[0].info.max_size
        self._server = server(
            made, staging, None if restore_from is None else restore_from / "reverb"
        )
        rows_in_all = expected_rows + (0 if restore_from is None else _rows_added(restore_from))
        self._reader = reader(
            self.packer, [self._server.address], self.capacity, rows_in_all, generator
        )
        self._reader.check_priorities(made[0].info)
        self._writer = writer(self.packer, [self._server.client], self._reader.sampler.reads_queue)
        self.sample, self.learned_from = self._reader.sample, self._reader.sampler.learned_from

    @property
    def rows_added(self) -> int:
        """Rows ever added."""
        return self._writer.rows_added

    @property
    def size(self) -> int:
        """Rows that the replay table holds."""
        return min(self.rows_added, self.capacity)

    def add(self, transition: Transition, step: int, ended: Collection[int] = ()) -> None:
        """Adds the E transitions of environment step `step`; those of the environments in `ended`
        end an episode.

        Raises:
          RunError: a value is not finite; nothing is added.
        """
        self._writer.add(transition, step, ended, self._reader.sampler.new_priority)
        self._reader.rewards.observe(transition)

    def add_rows(self, rows: np.ndarray) -> None:
        """Adds packed rows [n, W] as they are, those that another replay saved for example."""
        self._writer.add_rows(rows, self._reader.sampler.new_priority)

    def refresh(self) -> None:
        """Lets `sample` see what was added, in whole blocks: single rows would take more memory and
        time."""
        if self.rows_added == self._writer.unpublished:
            self._writer.publish()
        self._reader.sampler.receive(self.rows_added - self._writer.unpublished)

    def publish(self) -> None:
        """Lets `sample` see all rows added so far."""
        self._writer.publish()
        self._reader.sampler.receive(self.rows_added)

    def save(self, folder: Path) -> None:
        """Writes all rows to the new folder `folder`. What is added next must begin an episode, as
        after a restart."""
        self._writer.add_unfinished(self._reader.sampler.new_priority)
        self.publish()
        folder.mkdir()
        (folder / _ROWS_ADDED).write_text(str(self.rows_added))
        self._server.checkpoint(folder / "reverb")
        self._reader.save(folder)

    def restore(self, folder: Path) -> None:
        """Finishes what `restore_from` began: brings back the sampler's rows, and checks
        Reverb's."""
        self._writer.rows_added = _rows_added(folder)
        self._reader.restore(folder, self.rows_added)
        if self._server.size() != self.size:
            raise RunError(
                f"Reverb brought back {self._server.size()} of the {self.size} rows in {folder}."
            )

    def close(self) -> None:
        self._writer.close()
        self._server.stop()


def saved_rows(folder: Path) -> list[np.ndarray] | None:
    """Returns the rows that a `Replay` saved in `folder`, oldest first, as arrays [n, W] that stay
    on disk until read.

    None if its sampler kept no copy: Reverb itself does not list the rows of a table in order.
    """
    if not (folder / ROWS_FILE).exists():
        return None
    ring = np.load(folder / ROWS_FILE, mmap_mode="r")
    oldest = _rows_added(folder) % len(ring) if _rows_added(folder) > len(ring) > 0 else 0
    return [ring[oldest:], ring[:oldest]]


def _rows_added(folder: Path) -> int:
    return int((folder / _ROWS_ADDED).read_text())
