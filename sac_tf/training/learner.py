"""What learns: the state, the replay it learns from, and the compiled update, saved and restored
together."""

import math
from collections.abc import Callable, Collection
from pathlib import Path

import gin
import tensorflow as tf

from sac_tf.agents.sac.state import TrainState
from sac_tf.agents.update import Update, make_update
from sac_tf.errors import ConfigurationError, Diverged, RunError, require_number
from sac_tf.networks.running_normalization import make_observer
from sac_tf.replay.replay import Replay
from sac_tf.types import EnvironmentSpec, Transition


@gin.configurable("learner")  # TF-Agents has a Learner too, and a process may hold both
class Learner:
    """Does the updates that the environment steps so far call for.

    Attributes:
      state: the `TrainState`.
      replay: the `Replay`.
      metric_names: of what `learn` returns.
      updates: critic updates done.
    """

    def __init__(
        self,
        spec: EnvironmentSpec,
        seed: int,
        staging: Path,
        expected_rows: int,
        random_steps: int,
        checkpoint: Path | None = None,
        state: Callable[..., TrainState] = TrainState,
        replay: Callable[..., Replay] = Replay,
        update: Callable[..., Update] = make_update,
        updates_per_step: float = 1.0,
    ):
        """Builds, restores if there is something to restore, and compiles.

        Args:
          spec: of the task.
          seed: of the state.
          staging: a folder of our own for the replay.
          expected_rows: rows that will come, beside those of `checkpoint`.
          random_steps: environment steps before the first update.
          checkpoint: a folder that `save` wrote.
          state, replay, update: what to build it from.
          updates_per_step: critic updates for each environment step after `random_steps`; 20 or
            0.25 are fine too.
        """
        self._updates_per_step = require_number(
            "learner.updates_per_step",
            updates_per_step,
            lambda ratio: 0 < ratio < math.inf,
            "a number above 0",
        )
        self._random_steps = random_steps
        self.state = state(spec, seed)
        source = None if checkpoint is None else checkpoint / "replay"
        self.replay = replay(spec, self.state.generator, staging, expected_rows, source)
        self._observe = make_observer(
            [self.state.actor, self.state.critic, self.state.target_critic]
        )
        self._update = update(self.state, self._sample, self.replay.learned_from)
        if self._update.batch_size > self.replay.capacity:
            raise ConfigurationError(
                f"make_update.batch_size={self._update.batch_size} is larger than the replay, "
                f"make_tables.capacity={self.replay.capacity}."
            )
        self.metric_names, self.updates = self._update.metric_names, 0

    def add(self, transition: Transition, step: int, ended: Collection[int]) -> None:
        """Adds the E transitions of a step to the replay, raw, and to what normalises observations;
        as `Replay.add`."""
        self.replay.add(transition, step, ended)
        self._observe(transition.observation)

    def learn(self, step: int) -> dict[str, float]:
        """Catches up with environment step `step`, in whole calls of the compiled update.

        Returns: metrics of the last update, or {} if no call was due.

        Raises:
          Diverged: a metric is not finite.
        """
        metrics: dict[str, float] = {}
        if self.replay.size == 0:  # n-step rows come some steps late
            return metrics
        due = int((step - self._random_steps) * self._updates_per_step) - self.updates
        if due >= self._update.updates_per_call:
            self.replay.refresh()
        for _ in range(due // self._update.updates_per_call):
            metrics = self.update(step)
        return metrics

    @property
    def samples_per_step(self) -> float:
        """Rows drawn for each environment step."""
        return self._updates_per_step * self._update.batch_size

    def update(self, step: int) -> dict[str, float]:
        """Makes one call of the compiled update; returns and raises as `learn`."""
        metrics = {name: float(value) for name, value in self._update.run().items()}
        self.updates += self._update.updates_per_call
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise Diverged(f"{name} is {value} after update {self.updates} at step {step}.")
        return metrics

    def _sample(self, number: int) -> Transition:
        batch = self.replay.sample(number)
        if not self.replay.collects:  # it sees no rows but those that it draws
            self._observe(batch.observation)
        return batch

    def save(self, folder: Path) -> None:
        """Writes state and replay into `folder`, or raises OSError."""
        self.replay.save(folder / "replay")
        try:
            tf.train.Checkpoint(state=self.state).write(str(folder / "state"))
        except tf.errors.OpError as error:
            raise OSError(f"TensorFlow could not write the state: {error.message}") from error

    def restore(self, folder: Path) -> None:
        """Reads what `save` wrote."""
        restore_state(self.state, folder)
        self.updates = int(self.state.updates.numpy())
        self.replay.restore(folder / "replay")

    def close(self) -> None:
        self.replay.close()


def restore_state(state: TrainState, folder: Path) -> None:
    """Reads the state, and not the replay, from a folder that `Learner.save` wrote.

    Raises:
      RunError: it holds other variables. The configuration is known to be the same, so other code
        has written it.
    """
    try:
        tf.train.Checkpoint(state=state).read(str(folder / "state")).assert_consumed()
    except (AssertionError, ValueError) as error:
        raise RunError(
            f"{folder} does not fit the networks and optimizers that its configuration makes now: "
            f"another version of "
            "sac_tf wrote it. Go on with that version, or start in a new --root_dir."
        ) from error
