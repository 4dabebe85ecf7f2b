r"""Where the time of learning from images goes: milliseconds of each part of a decision of cartpole
swingup (dm_control), with one update for each decision.

python -m benchmarks.pixels --rounds=7
"""

import dataclasses
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from absl import flags

from binaries import launch

if TYPE_CHECKING:
    from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment
    from sac_tf.training.train import Training

_ROUNDS = flags.DEFINE_integer("rounds", 7, "Rounds, whose medians are printed.")
_STEPS = 300
"""Random steps in the replay."""
_DECISIONS = 32
"""In each round."""
_FILES = ["gin_configs/tasks/dm_control_pixels.gin", "gin_configs/drq.gin"]
_BINDINGS = ["update.updates_per_call = 4"]


class _Parts:
    """The parts of a run, each of which does a number of decisions."""

    def __init__(self, settings: "Training", staging: Path):
        """Makes the parts, and takes the random steps."""
        factory = settings.environment_factory
        self._environment = factory.make()
        self._blind = dataclasses.replace(factory, wrappers=factory.wrappers[:1]).make()
        spec = self._environment.spec
        state = settings.make_state(spec)
        self._replay = settings.replay(
            windows=settings.make_windows(spec),
            num_environments=1,
            generator=state.generator,
            staging=staging,
            expected_steps=_STEPS + (_ROUNDS.value + 1) * _DECISIONS,
            restore_from=None,
        )
        self._updater = settings.make_updater(state, self._replay, settings.make_rewards())
        self._exploration = settings.exploration(state.policy, state.exploration_generator, spec, 1)
        self._exploration.begin()
        self._observation = self._environment.reset(0)
        self._blind.reset(0)
        self.store(_STEPS)

    def simulate(self, decisions: int = _DECISIONS) -> None:
        """Simulates, and draws nothing."""
        _act_at_random(self._blind, decisions)

    def simulate_and_draw(self, decisions: int = _DECISIONS) -> None:
        _act_at_random(self._environment, decisions)

    def act(self) -> None:
        """Draws actions of the policy."""
        for _ in range(_DECISIONS):
            self._exploration.act(self._observation)

    def store(self, decisions: int = _DECISIONS) -> None:
        """Stores transitions, and copies them to the learner."""
        from sac_tf.types import Transition

        image, action, one = self._observation, np.zeros((1, 1), np.float32), np.ones(1, np.float32)
        for step in range(decisions):
            self._replay.add(Transition(image, action, one, one, image), step + 1)
        self._replay.refresh()

    def update(self) -> None:
        for _ in range(_DECISIONS // self._updater.updates_per_call):
            self._updater.update(1)

    def close(self) -> None:
        self._replay.close()
        self._environment.close()
        self._blind.close()


def _act_at_random(environment: "GymnasiumEnvironment", decisions: int) -> None:
    generator = np.random.default_rng(0)
    for _ in range(decisions):
        environment.step(generator.uniform(-1, 1, (1, 1)).astype(np.float32))


def main(_: list[str]) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    settings = launch.make_training(_FILES, _BINDINGS)
    settings.runtime()
    with tempfile.TemporaryDirectory() as folder:
        parts = _Parts(settings, Path(folder) / "staging")
        calls = (parts.simulate, parts.simulate_and_draw, parts.act, parts.store, parts.update)
        for call in calls:  # compiles
            call()
        rounds = [[_milliseconds(call) for call in calls] for _ in range(_ROUNDS.value)]
        parts.close()
    simulating, with_image, acting, storing, updating = np.median(rounds, axis=0)
    drawing = with_image - simulating
    times = {
        "simulating": simulating,
        "rendering": drawing,
        "acting": acting,
        "storing": storing,
        "updating": updating,
    }
    for name, milliseconds in times.items():
        share = milliseconds / sum(times.values())
        print(f"{name:12} {milliseconds:7.2f} ms of a decision {share:7.1%}")


def _milliseconds(call: Callable[[], object]) -> float:
    """Returns the milliseconds of a decision."""
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start) / _DECISIONS


if __name__ == "__main__":
    launch.run(main)
