"""The transition writer: packs transitions into rows and writes them to Reverb."""

from collections.abc import Callable, Collection, Sequence

import gin
import numpy as np
import reverb

from sac_tf.errors import RunError
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.protocols import MakeRowTransform, Wait
from sac_tf.replay.tables import COLUMN, QUEUE_TABLE, REPLAY_TABLE, TIMEOUT_S
from sac_tf.replay.transitions import OneStepRows
from sac_tf.types import Transition

BLOCK_ROWS = 16
"""Rows of a chunk of Reverb's memory, and of an item of the queue."""
_PENDING_ITEMS = 8 * BLOCK_ROWS
"""Maximum number of items that the server has not confirmed."""


def wait_once(attempt: Callable[[float], bool], what: str) -> bool:
    """The `Wait` of one process, where no other process removes rows.

    Raises:
      RunError: the attempt failed for `TIMEOUT_S`.
    """
    if not attempt(TIMEOUT_S):
        raise RunError(
            f"Waited {TIMEOUT_S} s for {what}; in one process use a limiter that never blocks "
            "inserts (tables.rate_limiter = @MinSize)."
        )
    return True


@gin.configurable
class TransitionWriter:
    """Packs transitions into rows and writes them to one Reverb server or to several."""

    def __init__(
        self,
        packer: RowPacker,
        clients: Sequence[reverb.Client],
        with_queue: bool,
        wait: Wait,
        discount: float,
        rows: MakeRowTransform = OneStepRows,
    ):
        """Opens a stream to each server.

        Args:
          packer: of the task.
          clients: of the servers, which get blocks of rows in turn.
          with_queue: whether rows are also written to the queue, for samplers that read every row
            once.
          wait: used while a rate limiter or an unreachable server does not accept rows.
          discount: of one environment step.
          rows: builds the transform from transitions to rows.
        """
        self._packer = packer
        self._rows = rows(packer.columns, discount)
        self._streams = [_Stream(client, with_queue, wait) for client in clients]
        self._next = 0
        self.rows_added = 0

    @property
    def unpublished(self) -> int:
        """Rows that no sampler can draw yet."""
        return sum(stream.unpublished for stream in self._streams)

    def add(
        self,
        transition: Transition,
        step: int,
        ended: Collection[int] = (),
        priority: float = 1.0,
    ) -> None:
        """Adds the E transitions of one joint step.

        Args:
          transition: leaves [E, ...].
          step: environment step, for messages.
          ended: environments whose episode ended with it.
          priority: of the rows.

        Raises:
          RunError: a value is not finite, and nothing is added; or as `wait`.
        """
        rows = self._packer.pack(transition)
        self._packer.check_finite(rows, step)
        self.add_rows(self._rows.add(rows, ended), priority)

    def add_rows(self, rows: np.ndarray, priority: float = 1.0) -> None:
        """Adds packed rows [n, W] as they are, for example those that another replay saved. Raises
        as `wait`."""
        for row in rows:
            stream = self._streams[self._next]
            stream.append(row, priority)
            if not stream.unpublished:
                self._advance()
        self.rows_added += len(rows)

    def add_unfinished(self, priority: float = 1.0) -> None:
        """Adds the rows still held back. The next transitions must begin episodes."""
        self.add_rows(self._rows.flush(), priority)

    def publish(self) -> None:
        """Sends all added rows, also those of unfinished blocks, and waits until the servers
        confirm them. Raises as `wait`."""
        has_begun_block = self._streams[self._next].unpublished > 0
        for stream in self._streams:
            stream.send(may_be_pending=0)
        if has_begun_block:
            self._advance()

    def close(self) -> None:
        for stream in self._streams:
            stream.close()

    def _advance(self) -> None:
        """Continues with the next server."""
        self._next = (self._next + 1) % len(self._streams)


class _Stream:
    """Writes rows to one server: single rows to its replay table, and blocks of rows in order to
    its queue."""

    def __init__(self, client: reverb.Client, with_queue: bool, wait: Wait):
        self._writer = client.trajectory_writer(num_keep_alive_refs=BLOCK_ROWS)
        self._writer.configure(
            (COLUMN,), num_keep_alive_refs=BLOCK_ROWS, max_chunk_length=BLOCK_ROWS
        )
        self._with_queue = with_queue
        self._wait = wait
        self._what = f"room in the replay at {client.server_address}"
        self.unpublished = 0

    def append(self, row: np.ndarray, priority: float) -> None:
        """Adds a row [W], and sends a block when it is full."""
        self._writer.append({COLUMN: row})
        self._writer.create_item(REPLAY_TABLE, priority, {COLUMN: self._writer.history[COLUMN][-1]})
        self.unpublished += 1
        if self.unpublished == BLOCK_ROWS:
            self.send(may_be_pending=_PENDING_ITEMS)

    def send(self, may_be_pending: int) -> None:
        """Sends the rows of the current block; returns when the server has confirmed all but
        `may_be_pending` items."""
        if self._with_queue and self.unpublished:
            block = self._writer.history[COLUMN][-self.unpublished :]
            self._writer.create_item(QUEUE_TABLE, 1.0, {COLUMN: block})
        self.unpublished = 0

        def flush(seconds: float) -> bool:
            try:
                self._writer.flush(
                    block_until_num_items=may_be_pending, timeout_ms=int(1000 * seconds)
                )
            except reverb.errors.DeadlineExceededError:
                return False
            return True

        self._wait(flush, self._what)

    def close(self) -> None:
        self._writer.close()
