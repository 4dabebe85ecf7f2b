"""Single-process replay: server, writer and reader behind one interface; a `Sink` and `Source`."""

import contextlib
import time
from collections.abc import Callable, Collection
from pathlib import Path

import gin
import reverb
import tensorflow as tf

from sac_tf.errors import RunError
from sac_tf.replay.columns import Columns
from sac_tf.replay.items import ItemStream
from sac_tf.replay.memory import ITEM_BYTES, require_memory
from sac_tf.replay.reader import BatchReader
from sac_tf.replay.resident import ResidentSampler
from sac_tf.replay.samplers import fetched_ahead
from sac_tf.replay.saved import REVERB, Summary, with_filled_queue
from sac_tf.replay.segments import SegmentStream
from sac_tf.replay.streams import Stream
from sac_tf.replay.tables import REPLAY_TABLE, SEGMENT_TABLE, TIMEOUT_S, ReplayServer, make_tables
from sac_tf.replay.windows import Windows
from sac_tf.replay.writer import StepWriter, wait_once
from sac_tf.types import Transition

_POLL_S = 0.01


@gin.configurable
class Replay:
    """Stores steps and samples batches of transitions; a restored replay equals the saved one.

    Args:
      windows: of the task.
      num_environments: E, which are stepped together.
      generator: for draws, if the sampler can use it.
      staging: a folder that Reverb may write into.
      expected_steps: steps that will be added, not counting those restored; no memory is taken for
        more.
      restore_from: a folder that `save` wrote, or None.
      tables: f(windows) builds the Reverb tables, the replay table first.
      server: f(tables, staging, restore_from) starts the server.
      reader: builds the part that samples batches.

    Raises:
      ConfigurationError: settings of table and sampler that contradict each other, or too little
        memory.
      RunError: Reverb restored other steps than were saved.

    Attributes:
      windows: of the task.
      capacity: steps that the tables keep.
    """

    _inserted_before = 0

    def __init__(
        self,
        windows: Windows,
        num_environments: int,
        generator: tf.random.Generator,
        staging: Path,
        expected_steps: int,
        restore_from: Path | None,
        tables: Callable[..., list[reverb.Table]] = make_tables,
        server: Callable[..., ReplayServer] = ReplayServer,
        reader: Callable[..., BatchReader] = BatchReader,
    ):
        """Starts a Reverb server, with the steps in `restore_from`."""
        self.windows = windows
        made = tables(windows)
        self.capacity = made[0].info.max_size
        saved = None if restore_from is None else Summary.load(restore_from)
        if saved is not None:
            expected_steps += saved.rows or saved.transitions
        with contextlib.ExitStack() as on_error:
            with _reverb_files(restore_from, saved, staging) as files:
                self._server = server(made, staging, files)
            on_error.callback(self._server.stop)
            self._reader = reader(
                windows,
                [self._server.address],
                self.capacity,
                expected_steps,
                generator,
                feed=fetched_ahead,
                default=ResidentSampler,
            )
            self._reader.check_table(made[0].info)
            self._segments: SegmentStream | None = None
            stream = self._make_stream(num_environments, expected_steps)
            self._writer = StepWriter(windows, num_environments, [stream])
            on_error.callback(self._writer.close)
            if restore_from is not None and saved is not None:
                self._restore(restore_from, saved)
            on_error.pop_all()

    def _make_stream(self, num_environments: int, expected_steps: int) -> Stream:
        """Returns the stream that the sampler needs."""
        client = self._server.client
        if self._reader.sampler.reads_queue:  # it has checked its memory and Reverb's
            self._segments = SegmentStream(client, self.windows, self.capacity, wait_once)
            return self._segments
        step_bytes = self.windows.columns.row_bytes + ITEM_BYTES
        require_memory(self.capacity, expected_steps, step_bytes)
        return ItemStream(client, self.windows, num_environments, wait_once)

    @property
    def _table(self) -> str:
        """The table that keeps the steps."""
        return REPLAY_TABLE if self._segments is None else SEGMENT_TABLE

    @property
    def _items(self) -> int:
        """Items ever written to it."""
        return self._writer.transitions if self._segments is None else self._segments.segment

    @property
    def size(self) -> int:
        """Transitions that it holds."""
        return min(self._writer.transitions, self.capacity)

    def add(self, transition: Transition, step: int, ended: Collection[int] = ()) -> None:
        """As `Sink.add`."""
        self._writer.add(transition, step, ended, priority=self._reader.sampler.new_priority)

    def add_episode(self, rows: Columns) -> None:
        """Adds the packed rows of an episode that another replay saved, and publishes them."""
        self._writer.add_episode(rows, priority=self._reader.sampler.new_priority)
        self.publish()

    def sample(self, batches: int, batch_size: int) -> Transition:
        """As `Source.sample`."""
        return self._reader.sample(batches, batch_size)

    def update_priorities(self, batches: Transition, td_error: tf.Tensor) -> None:
        """As `Source.update_priorities`."""
        self._reader.update_priorities(batches, td_error)

    def refresh(self) -> None:
        """Makes added steps available to `sample`, in whole blocks, which cost less memory and time
        than single steps."""
        if self._writer.rows == self._writer.unpublished:
            self._writer.publish()
        self._synchronize()

    def publish(self) -> None:
        """Makes all added steps available to `sample`."""
        self._writer.publish()
        self._synchronize()

    def end_episodes(self) -> None:
        """Adds the final observation of each episode that has begun, and publishes all. The next
        transitions must begin episodes."""
        self._writer.end_episodes(priority=self._reader.sampler.new_priority)
        if self._segments is not None:
            self._segments.end_segment()
        self.publish()

    def save(self, folder: Path) -> None:
        """Writes all steps to the new folder `folder`. The next transitions must begin episodes, as
        after a restart."""
        self.end_episodes()
        self._wait_until_inserted()
        folder.mkdir()
        rows = self._reader.sampler.rows_kept
        segment = 0 if self._segments is None else self._segments.segment
        widths = self.windows.columns.widths
        Summary(self._writer.transitions, rows, segment, widths).save(folder)
        self._server.checkpoint(folder / REVERB)
        self._reader.save(folder)

    def close(self) -> None:
        self._writer.close()
        self._server.stop()

    def _wait_until_inserted(self) -> None:
        """Waits until the table has all items that were written. Reverb confirms an item as soon as
        it is queued for insertion, and a checkpoint has only what is inserted.

        Raises:
          RunError: it takes longer than `TIMEOUT_S`.
        """
        written = self._inserted_before + self._items
        deadline = time.monotonic() + TIMEOUT_S
        while (inserted := self._server.inserted(self._table)) < written:
            if time.monotonic() > deadline:
                raise RunError(
                    f"Reverb's table {self._table!r} has taken {inserted} of {written} items after "
                    f"{TIMEOUT_S} s."
                )
            time.sleep(_POLL_S)

    def _synchronize(self) -> None:
        published = self._writer.rows - self._writer.unpublished
        self._reader.sampler.synchronize(published, self._writer.transitions)

    def _restore(self, folder: Path, saved: Summary) -> None:
        """Restores the sampler and the counters, and checks what Reverb restored."""
        self._writer.transitions = saved.transitions
        if self._segments is None:
            found = self._server.size(REPLAY_TABLE)
            if found != self.size:
                raise RunError(f"Reverb restored {found} of the {self.size} steps in {folder}.")
        elif saved.rows and not self._server.size(SEGMENT_TABLE):
            raise RunError(f"Reverb restored 0 of the {saved.rows} steps in {folder}.")
        else:
            self._segments.rows = saved.rows
            self._segments.segment = saved.segment
        self._reader.restore(folder, saved.rows, saved.transitions)
        self._inserted_before = self._server.inserted(self._table) - self._items


def _reverb_files(
    folder: Path | None, saved: Summary | None, staging: Path
) -> contextlib.AbstractContextManager[Path | None]:
    """Returns a context with Reverb's part of a saved replay, whose queue is filled if it has
    segments, or with None for a new replay."""
    if folder is None or saved is None:
        return contextlib.nullcontext()
    if not saved.rows:  # nothing reads the queue
        return contextlib.nullcontext(folder / REVERB)
    return with_filled_queue(folder, staging.with_name(f"{staging.name}_restored"))
