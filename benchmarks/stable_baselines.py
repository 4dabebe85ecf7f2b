"""Worker: SBX or Stable-Baselines3, which share one interface. `python -m
benchmarks.stable_baselines sbx <size> [n]`

Both run as their documentation shows them: `SAC("MlpPolicy", environment)` with all defaults
  (learning rates, networks
of 256-256, threads, a Monitor around the environment), and `verbose=1`, their normal log, every
fourth episode. `n` makes them collect n steps before n times the updates (train_freq,
gradient_steps), which their defaults do not.

Tasks: `update`: updates per second of `train`. `loop`: environment steps per second of `learn`.
"""

import importlib
import sys
import time

from benchmarks import channel
from benchmarks.sizes import BATCH, RANDOM_STEPS, SIZES, Size

_MODULES = {"sbx": "sbx", "sb3": "stable_baselines3"}
_PACKAGES = {"sbx": ("sbx-rl", "jax", "jaxlib", "flax"), "sb3": ("stable-baselines3", "torch")}


class StableBaselines:
    """A model with the random steps behind it."""

    def __init__(self, library: str, size: Size, steps_per_call: int):
        """Builds the model and takes the random steps, from which nothing is learned yet."""
        redq = {"policy_delay": size.updates_per_step, "policy_kwargs": {"n_critics": size.critics}}
        self._model = importlib.import_module(_MODULES[library]).SAC(
            "MlpPolicy",
            size.environment,
            batch_size=BATCH,
            learning_starts=RANDOM_STEPS,
            train_freq=steps_per_call,
            gradient_steps=steps_per_call * size.updates_per_step,
            verbose=1,
            seed=0,
            **(redq if size.updates_per_step > 1 else {}),
        )
        self._model.learn(RANDOM_STEPS)

    def update(self, updates: int, calls: int) -> float:
        """Returns updates per second of `calls` calls of train, `updates` updates in each: sampling
        is part of it."""
        start = time.perf_counter()
        for _ in range(calls):
            self._model.train(gradient_steps=updates, batch_size=BATCH)
        return calls * updates / (time.perf_counter() - start)

    def loop(self, steps: int) -> float:
        """Returns environment steps per second of learn, which goes on where it last stopped."""
        start = time.perf_counter()
        self._model.learn(steps, reset_num_timesteps=False)
        return steps / (time.perf_counter() - start)


def main() -> None:
    """Serves one library and size."""
    answers = channel.claim_stdout()
    library, size, steps_per_call = (
        sys.argv[1],
        SIZES[sys.argv[2]],
        int(sys.argv[3]) if len(sys.argv) > 3 else 1,
    )
    peer = StableBaselines(library, size, steps_per_call)
    versions = channel.versions(*_PACKAGES[library], "gymnasium", "mujoco")
    channel.serve(answers, versions, {"update": peer.update, "loop": peer.loop})


if __name__ == "__main__":
    main()
