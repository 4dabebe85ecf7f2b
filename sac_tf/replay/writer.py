"""Rows on their way into Reverb."""

import numpy as np
import reverb

from sac_tf.errors import RunError
from sac_tf.replay.tables import COLUMN, QUEUE_TABLE, REPLAY_TABLE, TIMEOUT_S

BLOCK_ROWS = 16
"""Rows that Reverb stores as one piece of memory and that the queue hands on together."""
_PENDING_ITEMS = 8 * BLOCK_ROWS
"""Items on their way to the server at most; more wait for it."""


class RowWriter:
    """Writes packed rows to the replay table, and in order, a block at a time, to the queue beside it."""

    def __init__(self, client: reverb.Client, with_queue: bool):
        """Opens a stream to the server; `with_queue` is for samplers that read every row once."""
        self._writer = client.trajectory_writer(num_keep_alive_refs=BLOCK_ROWS)
        self._writer.configure((COLUMN,), num_keep_alive_refs=BLOCK_ROWS, max_chunk_length=BLOCK_ROWS)
        self._with_queue = with_queue
        self.unpublished = 0

    def append(self, rows: np.ndarray, priority: float) -> None:
        """Adds rows [n, W], and sends each full block on its way.

        Raises:
          RunError: the rate limiter kept rows out for `TIMEOUT_S`.
        """
        for row in rows:
            self._writer.append({COLUMN: row})
            self._writer.create_item(REPLAY_TABLE, priority, {COLUMN: self._writer.history[COLUMN][-1]})
            self.unpublished += 1
            if self.unpublished == BLOCK_ROWS:
                self._send(_PENDING_ITEMS)

    def publish(self) -> None:
        """Sends what was appended, a full block or not, and waits until the server has it. Raises as `append`."""
        self._send(0)

    def _send(self, may_be_pending: int) -> None:
        if self._with_queue and self.unpublished:
            block = self._writer.history[COLUMN][-self.unpublished :]
            self._writer.create_item(QUEUE_TABLE, 1.0, {COLUMN: block})
        self._flush(may_be_pending)
        self.unpublished = 0

    def _flush(self, may_be_pending: int) -> None:
        try:
            self._writer.flush(block_until_num_items=may_be_pending, timeout_ms=1000 * TIMEOUT_S)
        except reverb.errors.DeadlineExceededError as error:
            raise RunError(
                f"Reverb's rate limiter let no row in for {TIMEOUT_S} s; in one process use a limiter that never "
                "blocks inserts (make_tables.rate_limiter = @MinSize)."
            ) from error

    def close(self) -> None:
        self._writer.close()
