"""Prior data: episodes of a data set or of another run, and interventions in this one, in memory,
where nothing evicts them."""

import logging
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from sac_tf.environments.goals import ACHIEVED, DESIRED
from sac_tf.errors import ConfigurationError
from sac_tf.replay.columns import NUMBERS, Columns, Trajectory
from sac_tf.replay.interventions import (
    Intervened,
    Interventions,
    save_episodes,
    saved_episodes,
)
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
    hindsight work alike. A checkpoint has none of the steps of the data set, which `fill` reads
    again; it has those of interventions.
    """

    def __init__(
        self,
        windows: Windows,
        episodes: Episodes,
        generator: tf.random.Generator,
        interventions: int = 0,
    ):
        """Begins empty; `fill` comes next.

        Args:
          windows: of the task.
          episodes: to draw from.
          generator: for draws.
          interventions: steps of episodes with interventions for which there is room; 0 adds none.

        Raises:
          ConfigurationError: the episodes do not fit into memory.
        """
        row_bytes = windows.columns.row_bytes + ring_bytes(windows)
        self._rows = episodes.rows + interventions
        require_memory_of_data(episodes.name, self._rows, row_bytes)
        self._windows = windows
        self._episodes = episodes
        self._generator = generator
        self._ring = Ring(windows, self._rows, segments=1)
        self._checksum = 0
        self._filled = 0
        self._interventions = Interventions(windows.columns) if interventions else None
        self._intervened: list[Intervened] = []
        self._is_full = False

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
        is_checked = False
        for number, episode in enumerate(self._episodes):
            if not is_checked:
                self._check_reward(episode)
                is_checked = bool(np.any(episode.reward))  # 0 does not show a scale
            rows = self._windows.rows_of(episode)
            if not np.isfinite(rows[NUMBERS]).all():
                raise ConfigurationError(
                    f"Episode {number} of the data set {self._episodes.name} has a number that is "
                    "not finite."
                )
            self._append_of_dataset(rows)
            if visit is not None:
                visit(self._windows.steps_of(rows))
        if not self.size:
            raise ConfigurationError(f"The data set {self._episodes.name} has no steps.")
        self._filled = self.size

    def add(self, transition: Transition, ended: Collection[int]) -> None:
        """Adds the steps of the run in which somebody took over, when their episode has ended.

        Args:
          transition: the E transitions of one joint step, NumPy leaves [E, ...].
          ended: environments whose episode ended with it.
        """
        if self._interventions is not None:
            self._add_episodes(self._interventions.add(transition, ended))

    def end_episodes(self) -> None:
        """Ends the episodes that have begun. The next transitions must begin episodes."""
        if self._interventions is not None:
            self._add_episodes(self._interventions.end_episodes())

    def sample(self, batches: int, batch_size: int) -> Transition:
        """As `Source.sample`."""
        rows = self._ring.sample(batches * batch_size, self._generator)
        return batches_of(self._windows.transition(rows, self._generator), batches, batch_size)

    def update_priorities(self, batches: Transition, td_error: tf.Tensor) -> None:
        """Nothing to do: uniform draws do not depend on TD errors."""

    def save(self, folder: Path) -> None:
        """Writes to the new folder `folder` which steps the data set has, and the interventions."""
        folder.mkdir()
        Summary(self._filled, rows=0, segment=0, widths=self._windows.columns.widths).save(folder)
        (folder / _CHECKSUM).write_text(str(self._checksum))
        if self._interventions is not None:
            save_episodes(folder, self._intervened)

    def restore(self, folder: Path) -> None:
        """Reads what `save` wrote, after `fill`.

        Raises:
          ConfigurationError: the data set had other steps then.
        """
        saved = Summary.load(folder).transitions
        if (saved, int((folder / _CHECKSUM).read_text())) != (self.size, self._checksum):
            raise ConfigurationError(
                f"The data set {self._episodes.name} has changed since the run began: it has "
                f"{self.size:,} steps, and had {saved:,}; use a new --root_dir."
            )
        if self._interventions is not None:
            self._add_episodes(saved_episodes(folder, self._windows.columns))

    def _check_reward(self, episode: Trajectory) -> None:
        """Checks the rewards of an episode, if hindsight will compute others."""
        if self._windows.hindsight is not None:
            goals = (episode.observation[key][1:] for key in (ACHIEVED, DESIRED))
            self._windows.hindsight.check(episode.reward, *goals)

    def _append_of_dataset(self, rows: Columns) -> None:
        for column in rows.values():
            self._checksum = zlib.crc32(column, self._checksum)
        if self._ring.rows_received + len(rows[NUMBERS]) > self._episodes.rows:
            raise ConfigurationError(
                f"The data set {self._episodes.name} has more steps than its description says."
            )
        self._append(rows, np.ones(len(rows[NUMBERS]), bool))

    def _add_episodes(self, episodes: Iterable[Intervened]) -> None:
        """Adds episodes with interventions, as long as there is room."""
        for episode in episodes:
            if self._ring.rows_received + len(episode.starts) > self._rows:
                if not self._is_full:
                    logging.warning(
                        "prior_data.interventions has room for no more steps: later interventions "
                        "are in the replay only."
                    )
                self._is_full = True
                return
            if self._windows.with_return_to_go:
                self._windows.columns.put_returns(episode.rows, self._windows.discount)
            self._intervened.append(episode)
            self._append(episode.rows, episode.starts)

    def _append(self, rows: Columns, starts: np.ndarray) -> None:
        """Adds the rows of an episode, with windows that start where `starts` is true."""
        age = np.arange(len(starts), dtype=np.int32)
        tensors = {dtype: tf.constant(column) for dtype, column in rows.items()}
        self._receive(
            tensors, tf.constant(np.minimum(age, 1)), tf.constant(age), tf.constant(starts)
        )

    @tf.function(autograph=False, reduce_retracing=True)
    def _receive(self, rows: Columns, back: tf.Tensor, age: tf.Tensor, starts: tf.Tensor) -> None:
        self._ring.receive(rows, back, age, segment=tf.zeros([], tf.int64), starts=starts)
