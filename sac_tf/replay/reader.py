"""The batch reader: batches of one of the samplers."""

from collections.abc import Sequence
from pathlib import Path

import gin
import reverb
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay import tables
from sac_tf.replay.protocols import Feed, MakeSampler, Sampler
from sac_tf.replay.windows import Windows
from sac_tf.types import Nest, Transition


@gin.configurable
class BatchReader:
    """A `Source` that draws by one of the samplers.

    Attributes:
      sampler: draws the rows.
    """

    sampler: Sampler

    def __init__(
        self,
        windows: Windows,
        addresses: Sequence[str],
        capacity: int,
        expected_steps: int,
        generator: tf.random.Generator,
        feed: Feed,
        default: MakeSampler,
        sampler: MakeSampler | None = None,
    ):
        """Connects to the servers at `addresses`.

        Args:
          windows, addresses, capacity, expected_steps, generator, feed: see `MakeSampler`.
          default: builds the sampler if `sampler` is None.
          sampler: builds the sampler. None: `ResidentSampler` in one process, `ReverbSampler` in a
            distributed run.
        """
        make = default if sampler is None else sampler
        self._capacity = capacity
        self.sampler = make(
            addresses,
            windows,
            capacity,
            expected_steps=expected_steps,
            generator=generator,
            feed=feed,
        )

    def sample(self, batches: int, batch_size: int) -> Transition:
        """As `Source.sample`.

        Raises:
          ConfigurationError: a batch is larger than the replay.
        """
        if batch_size > self._capacity:
            raise ConfigurationError(
                f"train.batch_size={batch_size} is larger than the replay, "
                f"tables.capacity={self._capacity}."
            )
        return batches_of(self.sampler.sample(batches * batch_size), batches, batch_size)

    def update_priorities(self, batches: Transition, td_error: tf.Tensor) -> None:
        """As `Source.update_priorities`."""
        self.sampler.update_priorities(rows_of(batches), rows_of(td_error))

    def check_table(self, table: reverb.reverb_types.TableInfo) -> None:
        """Raises ConfigurationError if the settings of the replay table and the sampler contradict
        each other: priorities that are never written or never read, a table that is never sampled.
        """
        name = type(self.sampler).__name__
        if self.sampler.reads_queue:
            setting = tables.setting_of_sampling(table)
            if setting is not None:
                raise ConfigurationError(
                    f"{setting} has no effect: {name} keeps its own copy of the steps, from which "
                    "it draws uniformly and drops the oldest; use "
                    "BatchReader.sampler=@ReverbSampler."
                )
        is_prioritized = tables.is_prioritized(table)
        if is_prioritized and not self.sampler.writes_priorities:
            raise ConfigurationError(
                f"tables.sampler=@Prioritized draws by priorities, which {name} never writes; use "
                "BatchReader.sampler=@PrioritizedSampler, as gin_configs/per.gin does."
            )
        if self.sampler.writes_priorities and not is_prioritized:
            raise ConfigurationError(
                "BatchReader.sampler=@PrioritizedSampler needs a table that draws by priorities; "
                "use tables.sampler=@Prioritized."
            )

    def save(self, folder: Path) -> None:
        """Writes into `folder` what Reverb's own checkpoint does not have."""
        self.sampler.save(folder)

    def restore(self, folder: Path, rows: int, transitions: int) -> None:
        """As `Sampler.restore`."""
        self.sampler.restore(folder, rows, transitions)


def batches_of(rows: Nest, batches: int, batch_size: int) -> Nest:
    """Returns batches [K, B, ...] of rows [K B, ...]."""
    return tf.nest.map_structure(
        lambda leaf: tf.reshape(leaf, [batches, batch_size, *leaf.shape[1:]]), rows
    )


def rows_of(batches: Nest) -> Nest:
    """Returns the rows [K B, ...] of batches [K, B, ...]."""
    return tf.nest.map_structure(lambda leaf: tf.reshape(leaf, [-1, *leaf.shape[2:]]), batches)
