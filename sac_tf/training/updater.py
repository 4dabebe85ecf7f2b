"""The updater: a train state and its compiled update, saved and restored together."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from sac_tf.agents.agent import TrainState
from sac_tf.agents.update import Update
from sac_tf.errors import Diverged
from sac_tf.replay.protocols import RewardScale, Source, Transform
from sac_tf.runs import folder as names
from sac_tf.runs.checkpoints import CheckpointStore, Progress, read_state, write_state


class Updater:
    """Updates a train state with the batches of a source.

    Attributes:
      state: the `TrainState`.
      rewards: scales the rewards of batches.
      metric_names: of the metrics that `update` returns.
      updates_per_call: critic updates of one `update`.
      updates: critic updates done.
    """

    def __init__(
        self,
        state: TrainState,
        source: Source,
        make_update: Callable[..., Update],
        *,
        batch_size: int,
        transforms: Sequence[Transform],
        rewards: RewardScale,
    ):
        """Compiles the update.

        Args:
          state: changed in place by updates.
          source: gives the batches.
          make_update: f(state, source, batch_size, transforms=).
          batch_size: of one update.
          transforms: applied to each batch.
          rewards: applied after them.

        Raises:
          ConfigurationError: a number that cannot work.
        """
        self.state = state
        self.rewards = rewards
        self._update = make_update(state, source, batch_size, transforms=[*transforms, rewards])
        self.metric_names = self._update.metric_names
        self.updates_per_call = self._update.updates_per_call
        self.updates = 0

    def update(self, step: int) -> dict[str, float]:
        """Calls the compiled update once, at environment step `step`.

        Returns: metrics of the last of its updates.

        Raises:
          Diverged: a metric is not finite.
        """
        metrics = {name: float(value) for name, value in self._update.run().items()}
        self.updates += self.updates_per_call
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise Diverged(
                    f"{name} is {value} after update {self.updates} at step {step}: lower the "
                    "learning rate or the UTD ratio, in a new --root_dir."
                )
        return metrics

    def save(self, folder: Path) -> None:
        """Writes the state and the statistics of rewards into `folder`; raises OSError."""
        write_state(self.state, folder)
        self.rewards.save(folder)

    def restore(self, folder: Path) -> None:
        """Reads what `save` wrote."""
        read_state(self.state, folder)
        self.rewards.restore(folder)
        self.updates = int(self.state.updates.numpy())


class SavedReplay(Protocol):
    """The part of a replay that a checkpoint needs."""

    def save(self, folder: Path) -> None:
        """Writes the rows to the new folder `folder`; raises OSError."""


def save_run(
    store: CheckpointStore,
    updater: Updater,
    replay: SavedReplay,
    progress: Progress,
    prefix: str = "step",
) -> Path:
    """Saves a checkpoint of a run at `progress`, and returns its folder; raises OSError."""

    def write(checkpoint: Path) -> None:
        replay.save(checkpoint / names.REPLAY)
        updater.save(checkpoint)
        progress.save(checkpoint)

    return store.save(progress.step, write, prefix)
