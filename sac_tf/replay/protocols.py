"""Interfaces of the replay, with the shapes written once."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from sac_tf.replay.packing import RowPacker
from sac_tf.types import Transition


class Feed(Protocol):
    """Returns an iterator over a dataset that a compiled function can call."""

    def __call__(self, dataset: tf.data.Dataset) -> Iterator: ...


class Wait(Protocol):
    """Calls `attempt(seconds)` until it returns True, and then returns True; `what` names what it
    waits for. Returns False if it was interrupted."""

    def __call__(self, attempt: Callable[[float], bool], what: str) -> bool: ...


class RowTransform(Protocol):
    """From the transitions of each joint step to the rows to store."""

    def add(self, rows: np.ndarray, ended: Collection[int]) -> np.ndarray:
        """Returns the rows [M, W] to store after the E transitions of one joint step.

        Args:
          rows: float32 [E, W], one transition of each environment.
          ended: the environments whose episode ended with it, by termination or truncation.
        """

    def flush(self) -> np.ndarray:
        """Returns the rows [M, W] still held back, because no episode continues."""


class MakeRowTransform(Protocol):
    """Builds a `RowTransform` for rows whose fields lie at `columns`, a `Transition` of slices."""

    def __call__(self, columns: Transition, discount: float) -> RowTransform: ...


class Sink(Protocol):
    """Stores what is collected."""

    def add(self, transition: Transition, step: int, ended: Collection[int] = ()) -> None:
        """Adds the E transitions of one joint step.

        Args:
          transition: leaves [E, ...].
          step: environment step, for messages.
          ended: environments whose episode ended with it.

        Raises:
          RunError: a value is not finite; nothing is added.
        """


class Source(Protocol):
    """Gives batches to the update."""

    def sample(self, batches: int, batch_size: int) -> Transition:
        """Returns K = `batches` batches of B = `batch_size` transitions, leaves [K, B, ...]; called
        inside a `tf.function`, once."""

    def update_priorities(self, batches: Transition, td_error: tf.Tensor) -> None:
        """Takes the TD errors [K, B] of batches [K, B, ...]; called inside a `tf.function`."""


class Transform(Protocol):
    """Changes a batch before the steps of its update; called inside a `tf.function`."""

    def __call__(self, state: tf.Module, batch: Transition) -> Transition:
        """Returns the batch to learn from.

        Args:
          state: the train state, whose networks and random generators may be used.
          batch: leaves [B, ...]; on several devices, the share of one replica.
        """


class RewardScale(Transform, Protocol):
    """Scales the rewards of batches; the replay keeps the task's own rewards."""

    def update(self, transition: Transition) -> None:
        """Updates the statistics with the E transitions of a joint step."""

    def save(self, folder: Path) -> None:
        """Writes the statistics. The next transitions must begin episodes, as after a restart."""

    def restore(self, folder: Path) -> None:
        """Reads what `save` wrote."""


class Sampler(Protocol):
    """Draws batches from the replay.

    Attributes:
      reads_queue: whether it reads every row once, from the queue next to the replay table.
      writes_priorities: whether it writes priorities to the replay table.
      new_priority: of rows that are inserted now.
    """

    reads_queue: bool
    writes_priorities: bool

    @property
    def new_priority(self) -> float: ...

    def synchronize(self, rows_added: int) -> None:
        """Makes the next draws use all of the `rows_added` rows that were ever added.

        Raises:
          RunError: Reverb did not answer in time.
        """

    def sample(self, number: int) -> Transition:
        """Returns `number` transitions; called inside a `tf.function`, once."""

    def update_priorities(self, batch: Transition, td_error: tf.Tensor) -> None:
        """Takes the TD errors [rows] of a batch; called inside a `tf.function`."""

    def save(self, folder: Path) -> None:
        """Writes what Reverb's own checkpoint does not have."""

    def restore(self, folder: Path, rows_added: int) -> None:
        """Reads what `save` wrote when `rows_added` rows had been added."""


class MakeSampler(Protocol):
    """Builds a sampler.

    Args:
      addresses: of the servers.
      packer: of the task.
      capacity: rows that the servers keep.
      expected_rows: rows that will be added in total.
      generator: for draws, if the sampler can use it.
      feed: how the update gets the batches of Reverb's own samplers.
    """

    def __call__(
        self,
        addresses: Sequence[str],
        packer: RowPacker,
        capacity: int,
        expected_rows: int,
        generator: tf.random.Generator,
        feed: Feed,
    ) -> Sampler: ...
