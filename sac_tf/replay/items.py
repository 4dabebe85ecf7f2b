"""Items: how rows are written for Reverb's own samplers, which draw one item for each window."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import reverb

from sac_tf.replay.columns import NUMBERS, Columns
from sac_tf.replay.protocols import Wait
from sac_tf.replay.streams import BLOCK_ROWS, PENDING_ITEMS, Links, Sender
from sac_tf.replay.tables import REPLAY_TABLE, column_of_step
from sac_tf.replay.windows import Windows


class _Row(NamedTuple):
    """A row that the writer still has.

    Attributes:
      cells: Reverb's references to it, {dtype: cell}.
      back: as in `Links`.
      starts: as in `Links`.
    """

    cells: Mapping[str, Any]
    back: int
    starts: bool


class ItemStream:
    """A `Stream` of single rows to the replay table, with an item over the rows of each window.

    Attributes:
      rows: ever appended.
      unpublished: rows that no sampler can draw yet.
    """

    def __init__(self, client: reverb.Client, windows: Windows, num_environments: int, wait: Wait):
        """Opens the stream.

        Args:
          client: of the server.
          windows: of the task.
          num_environments: E, whose rows come in turn.
          wait: used while a rate limiter or an unreachable server does not accept items.
        """
        self._n = windows.n
        self._steps_before = windows.steps_before
        self._length = windows.length
        # A joint step has up to E steps and E final observations; an environment that comes from
        # another stream repeats the steps before.
        rows = num_environments * (2 * (self._length + 1) + self._steps_before)
        self._kept = max(BLOCK_ROWS, rows)
        self._writer = client.trajectory_writer(num_keep_alive_refs=self._kept)
        for dtype in windows.columns.widths:
            self._writer.configure(
                (dtype,), num_keep_alive_refs=self._kept, max_chunk_length=BLOCK_ROWS
            )
        self._sender = Sender(self._writer, client, wait)
        self._newest: dict[int, _Row] = {}
        self.rows = 0
        self.unpublished = 0

    def append(self, rows: Columns, links: Links, priority: float) -> None:
        """As `Stream.append`."""
        listed = zip(links.back.tolist(), links.age.tolist(), links.starts.tolist(), strict=True)
        for number, (back, age, starts) in enumerate(listed):
            row = {dtype: array[number] for dtype, array in rows.items()}
            self._writer.append(row)
            cells = {dtype: self._writer.history[dtype][-1] for dtype in row}
            self._newest[self.rows] = _Row(cells, back, starts)
            self._newest.pop(self.rows - self._kept, None)
            is_final = bool(row[NUMBERS][-1])
            self._create_items(self._chain(age), is_final, priority)
            self.rows += 1
            self.unpublished += 1
            if self.unpublished == BLOCK_ROWS:
                self.unpublished = 0
                self._sender.send(PENDING_ITEMS)

    def publish(self) -> None:
        """As `Stream.publish`."""
        self.unpublished = 0
        self._sender.send(may_be_pending=0)

    def close(self) -> None:
        self._writer.close()

    def _chain(self, age: int) -> list[_Row]:
        """Returns the steps of the newest row's episode that its windows need, oldest first."""
        number = self.rows
        chain = [self._newest[number]]
        for _ in range(min(age, self._n + self._steps_before)):
            number -= chain[-1].back
            chain.append(self._newest[number])
        return chain[::-1]

    def _create_items(self, chain: list[_Row], is_final: bool, priority: float) -> None:
        """Creates an item for each window that the last step of `chain` completes."""
        last = len(chain) - 1
        shortest = 1 if is_final else self._n
        for steps in range(min(self._n, last), shortest - 1, -1):
            start = last - steps
            if not chain[start].starts:
                continue
            item = {}
            for step in range(self._length):
                row = chain[min(max(start + step - self._steps_before, 0), last)]
                for dtype, cell in row.cells.items():
                    item[column_of_step(dtype, step)] = cell
            self._writer.create_item(REPLAY_TABLE, priority, item)
