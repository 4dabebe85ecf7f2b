r"""Cost of hindsight: milliseconds of an environment step of FetchReach-v4 and of an update, with
goals that are replaced and without.

python -m benchmarks.hindsight --rounds=7
"""

import dataclasses
import functools
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags

from binaries import launch

if TYPE_CHECKING:
    from sac_tf.training.train import Training

_ROUNDS = flags.DEFINE_integer("rounds", 7, "Rounds, whose medians are printed.")
_STEPS = 2_000
"""Random steps in the replay."""
_CALLS = 5
"""Of the compiled update, in each round."""
_FILES = ["gin_configs/tasks/fetch_reach.gin", "gin_configs/her.gin"]


class _Learner:
    """A learner whose replay is filled."""

    def __init__(self, settings: "Training", staging: Path):
        """Makes the parts of a run."""
        from sac_tf.training.acting import uniform_actions
        from sac_tf.training.collecting import collect

        self._environment = settings.environment_factory.make()
        spec = self._environment.spec
        self._state = settings.make_state(spec)
        self._replay = settings.replay(
            windows=settings.make_windows(spec, self._environment.goals),
            num_environments=1,
            generator=self._state.generator,
            staging=staging,
            expected_steps=_STEPS + _ROUNDS.value * 200,
            restore_from=None,
        )
        self._updater = settings.make_updater(self._state, self._replay, settings.make_rewards())
        act = uniform_actions(spec, 1, seed=0)
        self._collected: Any = collect(self._environment, act, seed=0)
        self.add(_STEPS)

    def add(self, steps: int) -> None:
        """Takes random steps, and adds them to the replay."""
        for transition, episodes in itertools.islice(self._collected, steps):
            self._replay.add(transition, 1, [episode.environment for episode in episodes])
        self._replay.refresh()

    def update(self) -> None:
        """Performs a number of calls of the compiled update."""
        for _ in range(_CALLS):
            self._updater.update(1)

    @property
    def updates(self) -> int:
        """Updates of one `update`."""
        return _CALLS * self._updater.updates_per_call

    def close(self) -> None:
        self._replay.close()
        self._environment.close()


def main(_: list[str]) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    settings = launch.make_training(_FILES, [])
    settings.runtime()
    windows = functools.partial(settings.windows, hindsight=None)
    without_goals = dataclasses.replace(settings, windows=windows)
    with tempfile.TemporaryDirectory() as folder:
        plain = _Learner(without_goals, Path(folder) / "plain")
        hindsight = _Learner(settings, Path(folder) / "hindsight")
        plain.update()  # compiles
        hindsight.update()
        step, without, with_goals = np.median(
            [
                (
                    _milliseconds(lambda: plain.add(100)) / 100,
                    _milliseconds(plain.update) / plain.updates,
                    _milliseconds(hindsight.update) / hindsight.updates,
                )
                for _ in range(_ROUNDS.value)
            ],
            axis=0,
        )
        plain.close()
        hindsight.close()
    share = (with_goals - without) / (step + with_goals)
    print(f"random environment step {step:.2f} ms, update {without:.2f} ms")
    print(f"update with hindsight {with_goals:.2f} ms: {100 * share:.1f}% of step and update")


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    launch.run(main)
