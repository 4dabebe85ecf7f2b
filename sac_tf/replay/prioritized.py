"""Prioritised replay (1511.05952, the proportional variant) on Reverb's own selector."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import gin
import numpy as np
import reverb
import tensorflow as tf

from sac_tf.errors import ConfigurationError, RunError, require_number
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.samplers import Feed, ReverbSampler, fetched_ahead
from sac_tf.replay.tables import REPLAY_TABLE, TIMEOUT_S
from sac_tf.types import Nest

_PRIORITY_FILE = "new_priority.txt"


class WeightedTransition(NamedTuple):
    """The fields of `Transition`, and what a prioritised draw adds to them.

    Attributes:
      weight: float32 [B], importance weights in (0, 1].
      key: uint64 [B], Reverb's names of the rows.
    """

    observation: Nest
    action: Any
    reward: Any
    discount: Any
    next_observation: Nest
    weight: Any
    key: Any


@gin.configurable
class PrioritizedSampler:
    """Draws rows in proportion to priority^alpha, with importance weights, and writes new
    priorities |Q - y| + epsilon.

    alpha is `Prioritized.priority_exponent` of the table. A new row has the largest priority seen
    so far. A thread writes priorities while the run goes on, and batches are drawn ahead, so a draw
    may go by priorities that are some calls of the update old; the weights are exact all the same:
    they go by the probabilities of that draw. Reverb's
    draws have no seed: runs are not repeatable. Has the methods of `ResidentSampler`.
    """

    reads_queue, writes_priorities = False, True

    def __init__(
        self,
        addresses: Sequence[str],
        packer: RowPacker,
        capacity: int,
        expected_rows: int,
        generator: tf.random.Generator,
        feed: Feed = fetched_ahead,
        initial_beta: float = 0.4,
        epsilon: float = 1e-6,
    ):
        """Draws from the one server given.

        Args:
          addresses, packer, capacity, generator, feed: as for `ReverbSampler`.
          expected_rows: beta is 1 when so many rows have come, at the end of the run; on the way it
            grows linearly.
          initial_beta: exponent of the importance weights at the start; 0 for weights that are all
            1.
          epsilon: keeps rows without error from never being drawn again.

        Raises:
          ConfigurationError: a number out of range, or several servers.
        """
        if len(addresses) > 1:
            raise ConfigurationError(
                f"PrioritizedSampler draws from one server, and --replay_address names "
                f"{len(addresses)}: the "
                "priorities of one say nothing about the rows of another. Give one address."
            )
        require_number(
            "PrioritizedSampler.initial_beta",
            initial_beta,
            lambda b: 0 <= b <= 1,
            "a number from 0 to 1",
        )
        require_number("PrioritizedSampler.epsilon", epsilon, lambda e: e > 0, "a number above 0")
        self._source = ReverbSampler(addresses, packer, capacity, expected_rows, generator, feed)
        self._client = reverb.Client(addresses[0])
        self._expected_rows, self._initial_beta, self._epsilon = (
            expected_rows,
            initial_beta,
            epsilon,
        )
        self._beta = tf.Variable(initial_beta, dtype=tf.float64, trainable=False, name="beta")
        self._writer = ThreadPoolExecutor(1, "priorities")
        self._writing: list[Future] = []
        self.new_priority = 1.0

    def receive(self, rows: int) -> None:
        """Sets beta for a replay that ever got `rows` rows, once Reverb has the priorities of the
        updates so far.

        Raises:
          RunError: Reverb did not take them within `TIMEOUT_S`.
        """
        writing, self._writing = self._writing, []
        try:
            for write in writing:
                write.result(TIMEOUT_S)
        except Exception as error:  # Reverb raises RuntimeError and its kin, the wait TimeoutError
            raise RunError(
                f"Reverb did not take new priorities ({error or type(error).__name__})."
            ) from error
        self._beta.assign(
            self._initial_beta + (1 - self._initial_beta) * min(1.0, rows / self._expected_rows)
        )

    def sample(self, number: int) -> WeightedTransition:
        """Returns `number` transitions; to be called inside a `tf.function`, once."""
        transition, info = self._source.draw(number)
        weight = importance_weights(info.probability, info.table_size, self._beta)
        return WeightedTransition(*transition, weight, info.key)

    def learned_from(self, rows: WeightedTransition, td_error: tf.Tensor) -> None:
        """Hands the errors of `rows` to the writing thread; to be called inside a `tf.function`."""
        tf.numpy_function(self._hand_over, [rows.key, td_error], [])

    def save(self, folder: Path) -> None:
        """Reverb's checkpoint has the priorities; this is the priority of the next rows."""
        (folder / _PRIORITY_FILE).write_text(str(self.new_priority))

    def restore(self, folder: Path, rows_received: int) -> None:
        """Goes on from what `save` wrote after `rows_received` rows."""
        self.new_priority = float((folder / _PRIORITY_FILE).read_text())
        self.receive(rows_received)

    def _hand_over(self, key: np.ndarray, td_error: np.ndarray) -> None:
        self._writing.append(self._writer.submit(self._write, key, td_error))

    def _write(self, key: np.ndarray, td_error: np.ndarray) -> None:
        known = np.isfinite(td_error)  # over the others the learner stops the run
        priority = td_error[known].astype(np.float64) + self._epsilon
        self._client.mutate_priorities(
            REPLAY_TABLE, dict(zip(key[known].tolist(), priority.tolist(), strict=True))
        )
        self.new_priority = max(self.new_priority, priority.max(initial=0.0))


def importance_weights(probability: tf.Tensor, table_size: tf.Tensor, beta: tf.Tensor) -> tf.Tensor:
    """Returns w = (N P)^-beta, divided by the largest of the rows drawn together (1511.05952,
    section 3.4).

    Args:
      probability: P of each row when it was drawn, float64 [B].
      table_size: N, rows of the table then, int64 [B].
      beta: scalar, float64; 1 corrects the draws in full.

    Returns: float32 [B].
    """
    weight = (tf.cast(table_size, tf.float64) * probability) ** -beta
    return tf.cast(weight / tf.reduce_max(weight), tf.float32)
