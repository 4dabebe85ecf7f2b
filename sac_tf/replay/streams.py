"""Streams: rows of stored steps, written to one Reverb server."""

from typing import NamedTuple, Protocol

import numpy as np
import reverb

from sac_tf.replay.columns import Columns
from sac_tf.replay.protocols import Wait

BLOCK_ROWS = 16
"""Rows that are sent together."""
PENDING_ITEMS = 8 * BLOCK_ROWS
"""Maximum number of items that a server has not confirmed."""


class Links(NamedTuple):
    """How rows [R] of a stream belong together.

    Attributes:
      back: int32 [R], how many rows earlier the step before is; 0 if there is none.
      age: int32 [R], how many steps before it the stream has of the same episode.
      starts: bool [R], whether a window starts at a row.
    """

    back: np.ndarray
    age: np.ndarray
    starts: np.ndarray


class Stream(Protocol):
    """Writes rows to one server.

    Attributes:
      rows: ever appended.
    """

    rows: int

    @property
    def unpublished(self) -> int:
        """Rows that no sampler can draw yet."""

    def append(self, rows: Columns, links: Links, priority: float) -> None:
        """Appends rows, {dtype: [R, width]}; the windows that they complete get the priority.
        Raises as `Wait`."""

    def publish(self) -> None:
        """Sends all rows, and waits until the server has them. Raises as `Wait`."""

    def close(self) -> None: ...


class Sender:
    """Sends what a Reverb writer has appended."""

    def __init__(self, writer: reverb.TrajectoryWriter, client: reverb.Client, wait: Wait):
        """Takes the writer of a client; `wait` is used while the server accepts nothing."""
        self._writer = writer
        self._wait = wait
        self._what = f"room in the replay at {client.server_address}"

    def send(self, may_be_pending: int) -> None:
        """Returns when the server has confirmed all but `may_be_pending` items. Raises as
        `Wait`."""
        self._wait(lambda seconds: self._flush(may_be_pending, seconds), self._what)

    def _flush(self, may_be_pending: int, seconds: float) -> bool:
        try:
            self._writer.flush(block_until_num_items=may_be_pending, timeout_ms=int(1000 * seconds))
        except reverb.errors.DeadlineExceededError:
            return False
        return True
