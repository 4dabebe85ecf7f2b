"""Items: how rows are written for Reverb's own samplers, which draw one item for each window."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import reverb

from sac_tf.errors import RunError
from sac_tf.replay.columns import NUMBERS, Columns
from sac_tf.replay.protocols import Wait
from sac_tf.replay.streams import BLOCK_ROWS, PENDING_ITEMS, Links, Sender
from sac_tf.replay.tables import REPLAY_TABLE, column_of_step
from sac_tf.replay.windows import Windows

_LONGEST_EPISODE = 2**16
"""Rows that the writer keeps for hindsight."""


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
        self._hindsight = windows.hindsight
        self._kept = max(BLOCK_ROWS, rows) if windows.hindsight is None else _LONGEST_EPISODE
        self._generator = np.random.default_rng()
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
            self._complete(age, bool(row[NUMBERS][-1]), priority)
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

    def _complete(self, age: int, is_final: bool, priority: float) -> None:
        """Creates the items that the newest row completes: with hindsight, those of an episode when
        it has ended."""
        if self._hindsight is None:
            chain = self._chain(min(age, self._n + self._steps_before))
            self._create_items(chain, len(chain) - 1, is_final, priority)
        elif age + 1 >= self._kept:
            raise RunError(
                f"An episode has {age + 1:,} steps, too many for hindsight with Reverb's own "
                "sampler; set environment.max_episode_steps."
            )
        elif is_final:
            chain = self._chain(age)
            for newest in range(1, len(chain)):
                self._create_items(chain, newest, newest == age, priority)

    def _chain(self, steps: int) -> list[_Row]:
        """Returns the newest row and the `steps` steps before it, oldest first."""
        number = self.rows
        chain = [self._newest[number]]
        for _ in range(steps):
            number -= chain[-1].back
            chain.append(self._newest[number])
        return chain[::-1]

    def _create_items(
        self, chain: list[_Row], newest: int, is_final: bool, priority: float
    ) -> None:
        """Creates an item for each window that the step `newest` of `chain` completes."""
        shortest = 1 if is_final else self._n
        for steps in range(min(self._n, newest), shortest - 1, -1):
            start = newest - steps
            if not chain[start].starts:
                continue
            positions = np.arange(self._length) + start - self._steps_before
            rows = [chain[position] for position in positions.clip(0, newest)]
            if self._hindsight is not None:
                given = self._hindsight.draw(start, len(chain) - 1, self._generator)
                rows += [chain[step] for step in given]
            item = {
                column_of_step(dtype, step): cell
                for step, row in enumerate(rows)
                for dtype, cell in row.cells.items()
            }
            self._writer.create_item(REPLAY_TABLE, priority, item)
