"""Trains a policy with Stable-Baselines3 or SBX, for the book of benchmarks.

python -m benchmarks.peer_training <library> <algorithm> <task> <seed> <steps> <period> <folder>

All settings are the defaults of the library. The mean action is evaluated as in a run of this
library: in 10 episodes every `period` environment steps, in environments and with seeds of their
own; evaluations.csv in the folder has the same columns, and versions.txt the packages. The times
include the evaluations. The book gives the process one core; torch is limited to one thread too.
"""

import csv
import importlib
import sys
import time
from pathlib import Path

import gymnasium
import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor

from benchmarks import channel

_MODULES = {"SBX": "sbx", "Stable-Baselines3": "stable_baselines3"}
_PACKAGES = {"SBX": ("sbx-rl", "jax"), "Stable-Baselines3": ("stable-baselines3", "torch")}
_EPISODES = 10
_COLUMNS = ("step", "wall_time", "return_mean", "return_std", "episodes")


class Evaluations(BaseCallback):
    """Evaluates the policy every `period` environment steps into evaluations.csv."""

    def __init__(self, task: str, seed: int, period: int, path: Path):
        """Takes the task, the seed of its episodes, the period and the file."""
        super().__init__()
        self._environment = gymnasium.make(task)
        self._environment.reset(seed=seed)
        self._period = period
        self._path = path
        self._start = time.monotonic()
        self._write(_COLUMNS, "w")

    def _on_step(self) -> bool:
        """Called after each environment step."""
        if self.num_timesteps % self._period == 0:
            returns = [self._play() for _ in range(_EPISODES)]
            elapsed = f"{time.monotonic() - self._start:.6g}"
            mean, std = (f"{statistic(returns):.6g}" for statistic in (np.mean, np.std))
            self._write((self.num_timesteps, elapsed, mean, std, _EPISODES), "a")
        return True

    def _play(self) -> float:
        """Returns the undiscounted return of an episode of the mean action."""
        observation, _ = self._environment.reset()
        total = 0.0
        is_done = False
        while not is_done:
            action, _ = self.model.predict(observation, deterministic=True)
            observation, reward, terminated, truncated, _ = self._environment.step(action)
            total += float(reward)
            is_done = terminated or truncated
        return total

    def _write(self, row: tuple, mode: str) -> None:
        with self._path.open(mode, newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row)


def main() -> None:
    """Trains one run from scratch."""
    library, algorithm, task = sys.argv[1:4]
    seed, steps, period = map(int, sys.argv[4:7])
    folder = Path(sys.argv[7])
    if library == "Stable-Baselines3":
        importlib.import_module("torch").set_num_threads(1)
    make = getattr(importlib.import_module(_MODULES[library]), algorithm)
    model = make("MlpPolicy", Monitor(gymnasium.make(task)), seed=seed)
    versions = channel.versions(*_PACKAGES[library], "gymnasium", "mujoco")
    (folder / "versions.txt").write_text(versions)
    evaluations = Evaluations(task, 1_000 * (seed + 1), period, folder / "evaluations.csv")
    model.learn(steps, callback=evaluations)


if __name__ == "__main__":
    main()
