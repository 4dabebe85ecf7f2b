"""Transitions and n-step rows: the episode boundary rules of the replay, in NumPy."""

from collections.abc import Collection

import gin
import numpy as np
import tree

from sac_tf.errors import require_count
from sac_tf.types import Nest, Step, Transition


def to_transition(observation: Nest, action: np.ndarray, step: Step) -> Transition:
    """Returns the E transitions of one joint step.

    `discount` is 0 only where the task itself ended. Truncation keeps 1: a time limit does not
    change the value of a state (Pardo et al., 1712.00378).

    Args:
      observation: nest of [E, ...].
      action: [E, A] in [-1, 1].
      step: the result of `action`.
    """
    discount = 1.0 - step.terminated.astype(np.float32)
    return Transition(observation, action, step.reward, discount, step.successor)


@gin.configurable
class OneStepRows:
    """A `RowTransform` that stores each transition as it is."""

    def __init__(self, columns: Transition, discount: float):
        """Takes the positions of the fields in a row."""
        del discount
        self._width = tree.flatten(columns)[-1].stop

    def add(self, rows: np.ndarray, ended: Collection[int]) -> np.ndarray:
        del ended
        return rows

    def flush(self) -> np.ndarray:
        return np.empty((0, self._width), np.float32)


@gin.configurable
class NStepRows:
    """A `RowTransform` that folds up to n transitions of an episode into one row: the n-step return
    (1710.02298, section 3).

    The row that starts at s_t holds R = sum_k gamma^k r_(t+k), the discount gamma^(m-1) and the
    successor s_(t+m), so that the one-step target R + gamma * discount * V(s_(t+m)) is the m-step
    target. m is n, or less where the episode ends before: a truncated one bootstraps from its last
    successor, a terminated one has discount 0. There is one row for each transition, with a delay
    of up to n - 1 steps. There is no off-policy correction.
    """

    def __init__(self, columns: Transition, discount: float, n: int = 3):
        """Starts without open windows.

        Args:
          columns: positions of the fields in a row, a `Transition` of slices.
          discount: gamma, of one environment step.
          n: maximum number of transitions in a row.

        Raises:
          ConfigurationError: a number out of range.
        """
        self._gamma = discount
        self._n = require_count("NStepRows.n", n)
        self._reward = columns.reward
        self._discount = columns.discount
        successor = tree.flatten(columns.next_observation)
        self._successor = slice(successor[0].start, successor[-1].stop)
        self._none = np.empty((0, self._successor.stop), np.float32)
        self._open: dict[int, np.ndarray] = {}

    def add(self, rows: np.ndarray, ended: Collection[int]) -> np.ndarray:
        """As `RowTransform.add`. The rows of one environment keep their order."""
        complete = [self._complete(copy, row, copy in ended) for copy, row in enumerate(rows)]
        return np.concatenate(complete)

    def flush(self) -> np.ndarray:
        """As `RowTransform.flush`: windows that are not full bootstrap from the last successor."""
        unfinished = list(self._open.values())
        self._open = {}
        return np.concatenate([self._none, *unfinished])

    def _complete(self, copy: int, row: np.ndarray, ended: bool) -> np.ndarray:
        """Folds `row` [W] into the open windows of environment `copy`.

        Returns: the windows that are complete [M, W].
        """
        windows = self._open.get(copy, self._none)
        reach = self._gamma * windows[:, self._discount]
        windows[:, self._reward] += reach * row[self._reward]
        windows[:, self._discount] = reach * row[self._discount]
        windows[:, self._successor] = row[self._successor]
        windows = np.concatenate([windows, row[np.newaxis]])
        complete = max(0, len(windows) - self._n + 1)
        if ended:
            complete = len(windows)
        self._open[copy] = windows[complete:]
        return windows[:complete]
