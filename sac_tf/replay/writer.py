"""Rows on their way into Reverb."""

import numpy as np
import reverb

from sac_tf.errors import RunError
from sac_tf.replay.tables import COLUMN, QUEUE_TABLE, REPLAY_TABLE, TIMEOUT_S

BLOCK_ROWS = 64
"""Rows published together at most; bounds what is pending."""
CHUNK_ROWS = 16
"""Rows that Reverb stores as one piece of memory."""


class RowWriter:
    """Writes packed rows to the replay table, and in order, a block at a time, to the queue beside it."""

    def __init__(self, client: reverb.Client, with_queue: bool):
        """Opens a stream to the server; `with_queue` is for samplers that read every row once."""
        self._writer = client.trajectory_writer(num_keep_alive_refs=BLOCK_ROWS)
        self._writer.configure((COLUMN,), num_keep_alive_refs=BLOCK_ROWS, max_chunk_length=CHUNK_ROWS)
        self._with_queue = with_queue
        self._unpublished = 0

    def append(self, rows: np.ndarray) -> None:
        """Adds rows [E, W]. They can be sampled after the next `publish`, which comes by itself every `BLOCK_ROWS`."""
        for row in rows:
            self._writer.append({COLUMN: row})
            self._writer.create_item(REPLAY_TABLE, 1.0, {COLUMN: self._writer.history[COLUMN][-1]})
            self._unpublished += 1
            if self._unpublished == BLOCK_ROWS:
                self.publish()

    def publish(self) -> None:
        """Sends what was appended and waits until the server has it.

        Raises:
          RunError: the rate limiter kept the rows out for `TIMEOUT_S`.
        """
        if not self._unpublished:
            return
        if self._with_queue:
            block = self._writer.history[COLUMN][-self._unpublished :]
            self._writer.create_item(QUEUE_TABLE, 1.0, {COLUMN: block})
        try:
            self._writer.flush(block_until_num_items=0, timeout_ms=1000 * TIMEOUT_S)
        except reverb.errors.DeadlineExceededError as error:
            raise RunError(
                f"Reverb's rate limiter let no row in for {TIMEOUT_S} s; in one process use a limiter that never "
                "blocks inserts (make_tables.rate_limiter = @MinSize)."
            ) from error
        self._unpublished = 0

    def close(self) -> None:
        self._writer.close()
