"""The replay of one process: server, writer and sampler behind five verbs."""

from collections.abc import Callable, Collection
from pathlib import Path

import gin
import numpy as np
import reverb
import tensorflow as tf

from sac_tf.errors import ConfigurationError, RunError
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.rewards import FixedRewardScale
from sac_tf.replay.samplers import ROWS_FILE, ResidentSampler
from sac_tf.replay.tables import ReplayServer, is_prioritized, make_tables
from sac_tf.replay.transitions import OneStepRows
from sac_tf.replay.writer import RowWriter
from sac_tf.types import EnvironmentSpec, Transition

_ROWS_ADDED = "rows_added.txt"


@gin.register
class Replay:
    """Takes transitions in, gives batches out, and goes through a checkpoint unchanged."""

    def __init__(
        self,
        spec: EnvironmentSpec,
        generator: tf.random.Generator,
        staging: Path,
        expected_rows: int,
        restore_from: Path | None = None,
        tables: Callable[..., list[reverb.Table]] = make_tables,
        server: Callable[..., ReplayServer] = ReplayServer,
        sampler: Callable[..., ResidentSampler] = ResidentSampler,
        rows: Callable[[Transition], OneStepRows] = OneStepRows,
        rewards: Callable[[], FixedRewardScale] = FixedRewardScale,
    ):
        """Starts a Reverb server.

        Args:
          spec: of the task.
          generator: for draws, if the sampler can use it.
          staging: a folder that Reverb may write into.
          expected_rows: no more rows than this will come beside those restored, so no memory for more is taken.
          restore_from: a folder that `save` wrote.
          tables: f(width) returns the Reverb tables, the replay table first.
          server: f(tables, staging, restore_from).
          sampler: f(address, packer, capacity, expected_rows, generator): one of the samplers.
          rows: f(columns) returns what turns the transitions of each step into the rows to store.
          rewards: f() returns what scales the rewards of batches: FixedRewardScale or RunningRewardScale.

        Raises:
          ConfigurationError: priorities that the table draws by and the sampler does not write, or the reverse.
        """
        self._packer = RowPacker(spec)
        self._rows, self._rewards = rows(self._packer.columns), rewards()
        made = tables(self._packer.width)
        self.capacity = made[0].info.max_size
        self._server = server(made, staging, None if restore_from is None else restore_from / "reverb")
        rows_in_all = expected_rows + (0 if restore_from is None else _rows_added(restore_from))
        self._sampler = sampler(self._server.address, self._packer, self.capacity, rows_in_all, generator)
        _check_priorities(is_prioritized(made[0]), self._sampler)
        self._writer = RowWriter(self._server.client, self._sampler.reads_queue)
        self.rows_added = 0

    @property
    def width(self) -> int:
        """W, the columns of a row."""
        return self._packer.width

    @property
    def size(self) -> int:
        """Rows that the replay table holds."""
        return min(self.rows_added, self.capacity)

    def add(self, transition: Transition, step: int, ended: Collection[int] = ()) -> None:
        """Adds the E transitions of environment step `step`; those of the environments in `ended` end an episode.

        Raises:
          RunError: a value is not finite; nothing is added.
        """
        rows = self._packer.pack(transition)
        self._packer.check_finite(rows, step)
        self._rewards.observe(transition)
        self.add_rows(self._rows.add(rows, ended))

    def add_rows(self, rows: np.ndarray) -> None:
        """Adds packed rows [n, W] as they are, those that another replay saved for example."""
        self._writer.append(rows, self._sampler.new_priority)
        self.rows_added += len(rows)

    def refresh(self) -> None:
        """Lets `sample` see what was added, in whole blocks: single rows would take more memory and time."""
        if self.rows_added == self._writer.unpublished:
            self._writer.publish()
        self._sampler.receive(self.rows_added - self._writer.unpublished)

    def publish(self) -> None:
        """Lets `sample` see all rows added so far."""
        self._writer.publish()
        self._sampler.receive(self.rows_added)

    def sample(self, number: int) -> Transition:
        """Returns `number` transitions; to be called inside a `tf.function`."""
        return self._rewards.apply(self._sampler.sample(number))

    def learned_from(self, rows: Transition, td_error: tf.Tensor) -> None:
        """Hears |Q - y| [number] of what `sample` gave; to be called inside a `tf.function`."""
        self._sampler.learned_from(rows, td_error)

    def save(self, folder: Path) -> None:
        """Writes all rows to the new folder `folder`. What is added next must begin an episode, as after a restart."""
        self.add_rows(self._rows.flush())
        self.publish()
        folder.mkdir()
        (folder / _ROWS_ADDED).write_text(str(self.rows_added))
        self._server.checkpoint(folder / "reverb")
        self._sampler.save(folder)
        self._rewards.save(folder)

    def restore(self, folder: Path) -> None:
        """Finishes what `restore_from` began: brings back the sampler's rows, and checks Reverb's."""
        self.rows_added = _rows_added(folder)
        self._sampler.restore(folder, self.rows_added)
        self._rewards.restore(folder)
        if self._server.size() != self.size:
            raise RunError(f"Reverb brought back {self._server.size()} of the {self.size} rows in {folder}.")

    def close(self) -> None:
        self._writer.close()
        self._server.stop()


def _check_priorities(is_prioritized: bool, sampler: ResidentSampler) -> None:
    if is_prioritized and not sampler.writes_priorities:
        raise ConfigurationError(
            f"make_tables.sampler=@Prioritized draws by priorities, which {type(sampler).__name__} never writes; "
            "use Replay.sampler=@PrioritizedSampler, as gin_configs/per.gin does."
        )
    if sampler.writes_priorities and not is_prioritized:
        raise ConfigurationError(
            "Replay.sampler=@PrioritizedSampler needs a table that draws by priorities; "
            "use make_tables.sampler=@Prioritized."
        )


def saved_rows(folder: Path) -> list[np.ndarray] | None:
    """Returns the rows that a `Replay` saved in `folder`, oldest first, as arrays [n, W] that stay on disk until read.

    None if its sampler kept no copy: Reverb itself does not list the rows of a table in order.
    """
    if not (folder / ROWS_FILE).exists():
        return None
    ring = np.load(folder / ROWS_FILE, mmap_mode="r")
    oldest = _rows_added(folder) % len(ring) if _rows_added(folder) > len(ring) > 0 else 0
    return [ring[oldest:], ring[:oldest]]


def _rows_added(folder: Path) -> int:
    return int((folder / _ROWS_ADDED).read_text())
