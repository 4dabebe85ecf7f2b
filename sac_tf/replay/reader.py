"""Batches on their way out of Reverb."""

from collections.abc import Callable, Sequence
from pathlib import Path

import gin
import reverb
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.rewards import FixedRewardScale
from sac_tf.replay.samplers import Feed, ResidentSampler
from sac_tf.replay.tables import is_prioritized
from sac_tf.types import Transition


@gin.configurable
class BatchReader:
    """Draws batches by one of the samplers, and scales their rewards.

    Attributes:
      sampler: one of the samplers.
      rewards: what scales the rewards.
    """

    def __init__(
        self,
        packer: RowPacker,
        addresses: Sequence[str],
        capacity: int,
        expected_rows: int,
        generator: tf.random.Generator,
        feed: Feed | None = None,
        sampler: Callable[..., ResidentSampler] = ResidentSampler,
        rewards: Callable[[], FixedRewardScale] = FixedRewardScale,
    ):
        """Connects to the servers at `addresses`.

        Args:
          packer: of the task.
          addresses: of the servers.
          capacity, expected_rows: rows that the servers keep, and rows that will come in all.
          generator: for draws, if the sampler can use it.
          feed: how the update gets the batches of Reverb's own samplers, if not in their way.
          sampler: f(addresses, packer, capacity, expected_rows, generator).
          rewards: f() returns what scales the rewards of batches: FixedRewardScale or
            RunningRewardScale.
        """
        fed = {} if feed is None else {"feed": feed}
        self.sampler = sampler(addresses, packer, capacity, expected_rows, generator, **fed)
        self.rewards = rewards()

    def sample(self, number: int) -> Transition:
        """Returns `number` transitions; to be called inside a `tf.function`."""
        return self.rewards.apply(self.sampler.sample(number))

    def check_priorities(self, table: reverb.reverb_types.TableInfo) -> None:
        """Raises ConfigurationError if the table draws by priorities and the sampler writes none,
        or the reverse."""
        if is_prioritized(table) and not self.sampler.writes_priorities:
            raise ConfigurationError(
                f"make_tables.sampler=@Prioritized draws by priorities, which "
                f"{type(self.sampler).__name__} never "
                "writes; use BatchReader.sampler=@PrioritizedSampler, as gin_configs/per.gin does."
            )
        if self.sampler.writes_priorities and not is_prioritized(table):
            raise ConfigurationError(
                "BatchReader.sampler=@PrioritizedSampler needs a table that draws by priorities; "
                "use make_tables.sampler=@Prioritized."
            )

    def save(self, folder: Path) -> None:
        """Writes into `folder` what Reverb does not keep."""
        self.sampler.save(folder)
        self.rewards.save(folder)

    def restore(self, folder: Path, rows_received: int) -> None:
        """Reads what `save` wrote after `rows_received` rows."""
        self.sampler.restore(folder, rows_received)
        self.rewards.restore(folder)
