"""Prior data: episodes of a data set or of another run, in memory, where nothing evicts them."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from sac_tf.environments.goals import ACHIEVED, DESIRED
from sac_tf.errors import ConfigurationError
from sac_tf.replay.columns import NUMBERS, Columns, Trajectory
from sac_tf.replay.memory import require_memory_of_data
from sac_tf.replay.reader import batches_of
from sac_tf.replay.ring import Ring, ring_bytes
from sac_tf.replay.saved import Summary
from sac_tf.replay.windows import Windows
from sac_tf.types import Transition

_CHECKSUM = "checksum"


class Episodes(Protocol):
    """Episodes of a task."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def rows(self) -> int:
        """Their steps and final observations, counted together."""

    def __iter__(self) -> Iterator[Trajectory]:
        """Yields the episodes, always in the same order; raises ConfigurationError if one cannot be
        read."""


class PriorData:
    """A `Source` of the windows of given episodes, drawn uniformly and with replacement by the
    generator of the run, as `ResidentSampler` does.

    The windows are those of the replay: n-step returns, stacks of frames, returns-to-go and
    hindsight work alike. A checkpoint has none of the steps, and `fill` reads them again.
    """

    def __init__(self, windows: Windows, episodes: Episodes, generator: tf.random.Generator):
        """Begins empty; `fill` comes next.

        Args:
          windows: of the task.
          episodes: to draw from.
          generator: for draws.

        Raises:
          ConfigurationError: the episodes do not fit into memory.
        """
        row_bytes = windows.columns.row_bytes + ring_bytes(windows)
        require_memory_of_data(episodes.name, episodes.rows, row_bytes)
        self._windows = windows
        self._episodes = episodes
        self._generator = generator
        self._ring = Ring(windows, episodes.rows, segments=1)
        self._checksum = 0

    @property
    def size(self) -> int:
        """Transitions in it."""
        return self._ring.size

    def fill(self, visit: Callable[[Transition], None] | None = None) -> None:
        """Reads all episodes.

        Args:
          visit: called with the one-step transitions of each, NumPy leaves [T, ...].

        Raises:
          ConfigurationError: an episode cannot be read, or there is no step.
        """
        for number, episode in enumerate(self._episodes):
            if number == 0:
                self._check_reward(episode)
            rows = self._windows.rows_of(episode)
            if not np.isfinite(rows[NUMBERS]).all():
                raise ConfigurationError(
                    f"Episode {number} of the data set {self._episodes.name} has a number that is "
                    "not finite."
                )
            self._append(rows)
            if visit is not None:
                visit(self._windows.steps_of(rows))
        if not self.size:
            raise ConfigurationError(f"The data set {self._episodes.name} has no steps.")

    def sample(self, batches: int, batch_size: int) -> Transition:
        """As `Source.sample`."""
        rows = self._ring.sample(batches * batch_size, self._generator)
        return batches_of(self._windows.transition(rows, self._generator), batches, batch_size)

    def update_priorities(self, batches: Transition, td_error: tf.Tensor) -> None:
        """Nothing to do: uniform draws do not depend on TD errors."""

    def save(self, folder: Path) -> None:
        """Writes which steps there are to the new folder `folder`, but not the steps."""
        folder.mkdir()
        Summary(self.size, rows=0, segment=0, widths=self._windows.columns.widths).save(folder)
        (folder / _CHECKSUM).write_text(str(self._checksum))

    def refuse_other(self, folder: Path) -> None:
        """Raises ConfigurationError if `save` wrote `folder` with other steps."""
        saved = Summary.load(folder).transitions
        if (saved, int((folder / _CHECKSUM).read_text())) != (self.size, self._checksum):
            raise ConfigurationError(
                f"The data set {self._episodes.name} has changed since the run began: it has "
                f"{self.size:,} steps, and had {saved:,}; use a new --root_dir."
            )

    def _check_reward(self, episode: Trajectory) -> None:
        """Checks the rewards of an episode, if hindsight will compute others."""
        if self._windows.hindsight is not None:
            goals = (episode.observation[key][1:] for key in (ACHIEVED, DESIRED))
            self._windows.hindsight.check(episode.reward, *goals)

    def _append(self, rows: Columns) -> None:
        age = np.arange(len(rows[NUMBERS]), dtype=np.int32)
        for column in rows.values():
            self._checksum = zlib.crc32(column, self._checksum)
        tensors = {dtype: tf.constant(column) for dtype, column in rows.items()}
        if self._ring.rows_received + len(age) > self._episodes.rows:
            raise ConfigurationError(
                f"The data set {self._episodes.name} has more steps than its description says."
            )
        self._receive(tensors, tf.constant(np.minimum(age, 1)), tf.constant(age))

    @tf.function(autograph=False, reduce_retracing=True)
    def _receive(self, rows: Columns, back: tf.Tensor, age: tf.Tensor) -> None:
        self._ring.receive(rows, back, age, segment=tf.zeros([], tf.int64))
