"""Interfaces of the replay, with the shapes written once."""

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import tensorflow as tf

from sac_tf.replay.windows import Windows
from sac_tf.types import Transition


class Feed(Protocol):
    """Returns an iterator over a dataset that a compiled function can call."""

    def __call__(self, dataset: tf.data.Dataset) -> Iterator: ...


class Wait(Protocol):
    """Calls `attempt(seconds)` until it returns True, and then returns True; `what` names what it
    waits for. Returns False if it was interrupted."""

    def __call__(self, attempt: Callable[[float], bool], what: str) -> bool: ...


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
    """Scales the rewards and returns-to-go of batches; the replay keeps the task's own."""

    def update(self, transition: Transition, ended: Collection[int]) -> None:
        """Updates the statistics with the E transitions of a joint step; arguments as for
        `Sink.add`."""

    def end_episodes(self) -> None:
        """Ends the episodes that have begun: the next transitions begin new ones."""

    def save(self, folder: Path) -> None:
        """Writes the statistics; episodes must have ended."""

    def restore(self, folder: Path) -> None:
        """Reads what `save` wrote."""


class Sampler(Protocol):
    """Draws batches from the replay.

    Attributes:
      reads_queue: whether it reads every row once from the queue; else it draws from the replay
        table.
      rows_kept: rows of its own copy; 0 without one.
      writes_priorities: whether it writes priorities to the replay table.
      new_priority: of transitions that are inserted now.
    """

    reads_queue: bool
    writes_priorities: bool

    @property
    def rows_kept(self) -> int: ...

    @property
    def new_priority(self) -> float: ...

    def synchronize(self, rows: int, transitions: int) -> None:
        """Makes the next draws use all that was added.

        Args:
          rows: published since this process started, with those of its checkpoint.
          transitions: ever added.

        Raises:
          RunError: Reverb did not answer in time.
        """

    def sample(self, number: int) -> Transition:
        """Returns `number` transitions; called inside a `tf.function`, once."""

    def update_priorities(self, batch: Transition, td_error: tf.Tensor) -> None:
        """Takes the TD errors [rows] of a batch; called inside a `tf.function`."""

    def save(self, folder: Path) -> None:
        """Writes what Reverb's own checkpoint does not have."""

    def restore(self, folder: Path, rows: int, transitions: int) -> None:
        """Reads what `save` wrote, and the rows of the checkpoint.

        Args:
          folder: given to `save`.
          rows: in the checkpoint.
          transitions: ever added before it.
        """


class MakeSampler(Protocol):
    """Builds a sampler.

    Args:
      addresses: of the servers.
      windows: of the task.
      capacity: steps that the servers keep.
      expected_steps: steps that will be added in total.
      generator: for draws, if the sampler can use it.
      feed: how the update gets the batches of Reverb's own samplers.
    """

    def __call__(
        self,
        addresses: Sequence[str],
        windows: Windows,
        capacity: int,
        expected_steps: int,
        generator: tf.random.Generator,
        feed: Feed,
    ) -> Sampler: ...
