"""Segments: how rows are written for a sampler that keeps its own copy of them."""

from collections.abc import Mapping

import numpy as np
import reverb

from sac_tf.replay.columns import Columns, part
from sac_tf.replay.protocols import Wait
from sac_tf.replay.streams import BLOCK_ROWS, PENDING_ITEMS, Links, Sender
from sac_tf.replay.tables import (
    LINKS,
    QUEUE_TABLE,
    ROWS,
    SEGMENT,
    SEGMENT_TABLE,
    rows_of_segment,
)
from sac_tf.replay.windows import Windows


class SegmentStream:
    """A `Stream` of short blocks to the queue, which the sampler reads, and of segments to the
    table that keeps them. An item takes Reverb 700 bytes, whatever its size.

    Attributes:
      rows: ever appended.
      segment: number of the present segment.
    """

    def __init__(self, client: reverb.Client, windows: Windows, capacity: int, wait: Wait):
        """Opens the stream.

        Args:
          client: of the server.
          windows: of the task.
          capacity: rows that the server keeps.
          wait: used while the server does not accept rows.
        """
        widths = windows.columns.widths
        self._block = _Buffer(client, QUEUE_TABLE, widths, BLOCK_ROWS, wait)
        self._segment = _Buffer(client, SEGMENT_TABLE, widths, rows_of_segment(capacity), wait)
        self.rows = 0
        self.segment = 0

    @property
    def unpublished(self) -> int:
        return self._block.filled

    def append(self, rows: Columns, links: Links, priority: float) -> None:
        """As `Stream.append`; draws are uniform, without priorities."""
        del priority
        linked = {**rows, LINKS: np.stack([links.back, links.age], axis=1)}
        number = len(links.back)
        start = 0
        while start < number:
            end = min(number, start + self._block.room, start + self._segment.room)
            fitting = part(linked, start, end)
            self._block.put(fitting)
            self._segment.put(fitting)
            if not self._segment.room:
                self._end_segment(PENDING_ITEMS)
            elif not self._block.room:
                self._block.send(self.segment, PENDING_ITEMS)
            start = end
        self.rows += number

    def publish(self) -> None:
        """As `Stream.publish`. The present segment stays open."""
        self._block.send(self.segment, may_be_pending=0)

    def end_segment(self) -> None:
        """Sends all rows to both tables, and waits until the server has them."""
        self._end_segment(may_be_pending=0)

    def close(self) -> None:
        self._block.close()
        self._segment.close()

    def _end_segment(self, may_be_pending: int) -> None:
        self._block.send(self.segment, may_be_pending)
        if self._segment.filled:
            self._segment.send(self.segment, may_be_pending)
            self.segment += 1


class _Buffer:
    """Collects rows, and sends them as one item of a table.

    Attributes:
      filled: rows in it.
    """

    def __init__(
        self,
        client: reverb.Client,
        table: str,
        widths: Mapping[str, int],
        size: int,
        wait: Wait,
    ):
        self._arrays = {dtype: np.zeros((size, width), dtype) for dtype, width in widths.items()}
        self._arrays[LINKS] = np.zeros((size, 2), np.int32)
        self._writer = client.trajectory_writer(num_keep_alive_refs=1)
        self._sender = Sender(self._writer, client, wait)
        self._table = table
        self._size = size
        self.filled = 0

    @property
    def room(self) -> int:
        """Rows for which there is room."""
        return self._size - self.filled

    def put(self, rows: Columns) -> None:
        """Adds rows, for which there must be room."""
        end = self.filled + len(rows[LINKS])
        for name, array in self._arrays.items():
            array[self.filled : end] = rows[name]
        self.filled = end

    def send(self, segment: int, may_be_pending: int) -> None:
        """Sends the rows; returns when the server has confirmed all but `may_be_pending` items.
        Raises as `Wait`."""
        if self.filled:
            # All items of a writer must have one shape: a short one is padded.
            for array in self._arrays.values():
                array[self.filled :] = 0
            numbers = {ROWS: np.int32(self.filled), SEGMENT: np.int64(segment)}
            self._writer.append({**self._arrays, **numbers})
            item = {name: column[-1] for name, column in self._writer.history.items()}
            self._writer.create_item(self._table, 1.0, item)
            self.filled = 0
        self._sender.send(may_be_pending)

    def close(self) -> None:
        self._writer.close()
