"""Prioritized replay (1511.05952, the proportional variant) on Reverb's own selector."""

import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import gin
import numpy as np
import reverb
import tensorflow as tf

from sac_tf.errors import POSITIVE, ConfigurationError, RunError, require_number
from sac_tf.replay.protocols import Feed
from sac_tf.replay.samplers import ReverbSampler
from sac_tf.replay.tables import REPLAY_TABLE, TIMEOUT_S
from sac_tf.replay.windows import Windows
from sac_tf.types import WEIGHT, Transition

KEY = "key"
"""Name in `Transition.extras` of Reverb's identifiers of rows, uint64 [B]."""
UNIFORM_WEIGHT = "uniform_weight"
"""Name in `Transition.extras` of the `WEIGHT` of rows drawn uniformly in the same batch, float32
[B], all equal."""
_PRIORITY_FILE = "new_priority.txt"


@gin.configurable
class PrioritizedSampler:
    """A `Sampler` that draws rows in proportion to priority^alpha, with importance weights, and
    writes new priorities |Q - y| + epsilon.

    alpha is `Prioritized.priority_exponent` of the table. A new row has the largest priority seen
    so far. A thread writes priorities during the run, and batches are drawn ahead, so a draw may
    use priorities that are some calls of the update old; the weights are exact all the same,
    because they use the probabilities of that draw. Reverb's draws have no seed: runs are not
    repeatable.

    Args:
      addresses, windows, capacity, generator, feed: see `MakeSampler`.
      expected_steps: beta grows linearly to 1, which it reaches after this number of transitions.
      initial_beta: exponent of the importance weights at the start; 0 makes all weights 1.
      epsilon: keeps rows with a TD error of 0 in use.
    """

    reads_queue = False
    rows_kept = 0
    writes_priorities = True

    def __init__(
        self,
        addresses: Sequence[str],
        windows: Windows,
        capacity: int,
        expected_steps: int,
        generator: tf.random.Generator,
        feed: Feed,
        initial_beta: float = 0.4,
        epsilon: float = 1e-6,
    ):
        """Connects to the one server given; raises ConfigurationError if there are several."""
        _require_one_server(addresses)
        zero_to_one = (lambda beta: 0 <= beta <= 1, "a number from 0 to 1")
        require_number("PrioritizedSampler.initial_beta", initial_beta, *zero_to_one)
        require_number("PrioritizedSampler.epsilon", epsilon, *POSITIVE)
        self._source = ReverbSampler(
            addresses,
            windows,
            capacity,
            expected_steps=expected_steps,
            generator=generator,
            feed=feed,
        )
        self._client = reverb.Client(addresses[0])
        self._expected_steps = expected_steps
        self._initial_beta = initial_beta
        self._epsilon = epsilon
        self._beta = tf.Variable(initial_beta, dtype=tf.float64, trainable=False, name="beta")
        self._writer = ThreadPoolExecutor(1, "priorities")
        self._writing: list[Future] = []
        self.new_priority = 1.0

    def synchronize(self, rows: int, transitions: int) -> None:
        """Waits until Reverb has the priorities of all updates so far, and sets beta.

        Raises:
          RunError: a priority was not written within `TIMEOUT_S`.
        """
        del rows
        writing = self._writing
        self._writing = []
        try:
            for write in writing:
                write.result(TIMEOUT_S)
        except Exception as error:  # Reverb raises RuntimeError and others, the wait TimeoutError
            reason = error or type(error).__name__
            raise RunError(f"Reverb did not take new priorities ({reason}).") from error
        progress = min(1.0, transitions / self._expected_steps)
        self._beta.assign(self._initial_beta + (1 - self._initial_beta) * progress)

    def sample(self, number: int) -> Transition:
        """Returns `number` transitions with the extras `WEIGHT`, `UNIFORM_WEIGHT` and `KEY` too."""
        transition, info = self._source.draw(number)
        weight, uniform = importance_weights(info.probability, info.table_size, self._beta)
        own = {WEIGHT: weight, UNIFORM_WEIGHT: uniform, KEY: info.key}
        return transition._replace(extras={**transition.extras, **own})

    def update_priorities(self, batch: Transition, td_error: tf.Tensor) -> None:
        """Passes TD errors to the thread that writes priorities."""
        # TensorFlow never frees the function: a reference would keep the run alive.
        sampler = weakref.proxy(self)
        arguments = [batch.extras[KEY], td_error]
        tf.numpy_function(lambda *arrays: sampler._hand_over(*arrays), arguments, [])

    def save(self, folder: Path) -> None:
        """Writes the priority of new rows; Reverb's checkpoint has those of the stored rows."""
        (folder / _PRIORITY_FILE).write_text(str(self.new_priority))

    def restore(self, folder: Path, rows: int, transitions: int) -> None:
        """Reads what `save` wrote."""
        self.new_priority = float((folder / _PRIORITY_FILE).read_text())
        self.synchronize(rows, transitions)

    def _hand_over(self, key: np.ndarray, td_error: np.ndarray) -> None:
        self._writing.append(self._writer.submit(self._write, key, td_error))

    def _write(self, key: np.ndarray, td_error: np.ndarray) -> None:
        is_finite = np.isfinite(td_error)  # the learner stops the run at any other
        priority = td_error[is_finite].astype(np.float64) + self._epsilon
        updates = dict(zip(key[is_finite].tolist(), priority.tolist(), strict=True))
        self._client.mutate_priorities(REPLAY_TABLE, updates)
        self.new_priority = max(self.new_priority, priority.max(initial=0.0))


def _require_one_server(addresses: Sequence[str]) -> None:
    if len(addresses) > 1:
        raise ConfigurationError(
            "PrioritizedSampler draws from one server, and --replay_address names "
            f"{len(addresses)}: priorities of different servers cannot be compared. Give one "
            "address."
        )


def importance_weights(
    probability: tf.Tensor, table_size: tf.Tensor, beta: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns w = (N P)^-beta, divided by the largest of the rows drawn together (1511.05952,
    section 3.4).

    Args:
      probability: P of each row when it was drawn, float64 [B].
      table_size: N, rows of the table at that time, int64 [B].
      beta: scalar, float64; 1 corrects the draws in full.

    Returns: the weights, and that of a row with P = 1 / N in their place; float32 [B].
    """
    weight = (tf.cast(table_size, tf.float64) * probability) ** -beta
    largest = tf.reduce_max(weight)
    return tuple(tf.cast(x / largest, tf.float32) for x in (weight, tf.ones_like(weight)))
