"""The batch reader: a sampler and the scale of its rewards."""

from collections.abc import Callable, Sequence
from pathlib import Path

import gin
import reverb
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay import tables
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.protocols import Feed, MakeSampler, RewardScale, Sampler
from sac_tf.replay.rewards import FixedRewardScale
from sac_tf.replay.samplers import ResidentSampler, ReverbSampler, fetched_ahead
from sac_tf.types import Transition


@gin.configurable
class BatchReader:
    """Draws batches by one of the samplers, and scales their rewards.

    Attributes:
      sampler: draws the rows.
      rewards: scales the rewards.
    """

    sampler: Sampler
    rewards: RewardScale

    def __init__(
        self,
        packer: RowPacker,
        addresses: Sequence[str],
        capacity: int,
        expected_rows: int,
        generator: tf.random.Generator,
        feed: Feed,
        discount: float,
        sampler: MakeSampler | None = None,
        rewards: Callable[[float], RewardScale] = FixedRewardScale,
    ):
        """Connects to the servers at `addresses`.

        Args:
          packer, addresses, capacity, expected_rows, generator, feed: see `MakeSampler`.
          discount: of one environment step.
          sampler: builds the sampler. None: `ResidentSampler` in one process, `ReverbSampler` in a
            distributed run.
          rewards: f(discount) builds the reward scale.
        """
        if sampler is None:
            sampler = ResidentSampler if feed is fetched_ahead else ReverbSampler
        self.sampler = sampler(
            addresses,
            packer,
            capacity,
            expected_rows=expected_rows,
            generator=generator,
            feed=feed,
        )
        self.rewards = rewards(discount)

    def sample(self, number: int) -> Transition:
        """Returns `number` transitions; called inside a `tf.function`."""
        return self.rewards.apply(self.sampler.sample(number))

    def check_table(self, table: reverb.reverb_types.TableInfo) -> None:
        """Raises ConfigurationError if the settings of the replay table and the sampler contradict
        each other: priorities that are never written or never read, a table that is never sampled.
        """
        name = type(self.sampler).__name__
        if self.sampler.reads_queue:
            setting = tables.setting_of_sampling(table)
            if setting is not None:
                raise ConfigurationError(
                    f"{setting} has no effect: {name} keeps its own copy of the rows, from which "
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
        self.rewards.save(folder)

    def restore(self, folder: Path, rows_added: int) -> None:
        """Reads what `save` wrote when `rows_added` rows had been added."""
        self.sampler.restore(folder, rows_added)
        self.rewards.restore(folder)
