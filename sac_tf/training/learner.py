"""The learner: train state, replay and compiled update, saved and restored together."""

import math
from collections.abc import Callable, Collection
from pathlib import Path

from sac_tf.agents.agent import TrainState
from sac_tf.agents.update import Update
from sac_tf.errors import ConfigurationError, Diverged
from sac_tf.networks.running_normalization import make_observer
from sac_tf.replay.replay import Replay
from sac_tf.runs import folder as names
from sac_tf.runs.checkpoints import CheckpointStore, Progress, read_state, write_state
from sac_tf.types import Transition


class Learner:
    """Performs the updates that are due at an environment step.

    Attributes:
      state: the `TrainState`.
      replay: the `Replay`.
      metric_names: of the metrics that `learn` returns.
      updates: critic updates done.
    """

    def __init__(
        self,
        state: TrainState,
        replay: Replay,
        make_update: Callable[..., Update],
        *,
        batch_size: int,
        updates_per_step: float,
        random_steps: int,
    ):
        """Compiles the update.

        Args:
          state: changed in place by updates.
          replay: source of the batches.
          make_update: f(state, sample, update_priorities, batch_size).
          batch_size: of one update.
          updates_per_step: critic updates per environment step after `random_steps` (the UTD
            ratio); may be below 1.
          random_steps: environment steps before the first update.

        Raises:
          ConfigurationError: a number that cannot work.
        """
        if batch_size > replay.capacity:
            raise ConfigurationError(
                f"train.batch_size={batch_size} is larger than the replay, "
                f"tables.capacity={replay.capacity}."
            )
        self.state = state
        self.replay = replay
        self._updates_per_step = updates_per_step
        self._random_steps = random_steps
        self._observe = make_observer(state)
        self._update = make_update(state, self._sample, replay.update_priorities, batch_size)
        self.metric_names = self._update.metric_names
        self.updates = 0

    def add(self, transition: Transition, step: int, ended: Collection[int]) -> None:
        """Adds the E raw transitions of a joint step to the replay and to the statistics that
        normalize observations; arguments as for `Replay.add`."""
        self.replay.add(transition, step, ended)
        self._observe(transition.observation)

    def learn(self, step: int) -> dict[str, float]:
        """Performs the updates due at environment step `step`, in calls of `updates_per_call` each.

        Returns: metrics of the last update, or {} if no call was due.

        Raises:
          Diverged: a metric is not finite.
        """
        metrics: dict[str, float] = {}
        if self.replay.size == 0:  # n-step rows arrive some steps late
            return metrics
        due = int((step - self._random_steps) * self._updates_per_step) - self.updates
        if due >= self._update.updates_per_call:
            self.replay.refresh()
        for _ in range(due // self._update.updates_per_call):
            metrics = self.update(step)
        return metrics

    def update(self, step: int) -> dict[str, float]:
        """Calls the compiled update once; returns and raises as `learn`."""
        metrics = {name: float(value) for name, value in self._update.run().items()}
        self.updates += self._update.updates_per_call
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise Diverged(f"{name} is {value} after update {self.updates} at step {step}.")
        return metrics

    def _sample(self, number: int) -> Transition:
        batch = self.replay.sample(number)
        if not self.replay.collects:  # a distributed learner only sees sampled rows
            self._observe(batch.observation)
        return batch

    def save(self, folder: Path) -> None:
        """Writes state and replay into `folder`; raises OSError."""
        self.replay.save(folder / names.REPLAY)
        write_state(self.state, folder)

    def restore(self, folder: Path) -> None:
        """Reads what `save` wrote."""
        read_state(self.state, folder)
        self.updates = int(self.state.updates.numpy())
        self.replay.restore(folder / names.REPLAY)

    def close(self) -> None:
        self.replay.close()


def save_run(
    store: CheckpointStore, learner: Learner, progress: Progress, prefix: str = "step"
) -> Path:
    """Saves a checkpoint of `learner` at `progress`, and returns its folder; raises OSError."""

    def write(checkpoint: Path) -> None:
        learner.save(checkpoint)
        progress.save(checkpoint)

    return store.save(progress.step, write, prefix)
