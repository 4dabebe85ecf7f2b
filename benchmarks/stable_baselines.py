"""Worker: SBX or Stable-Baselines3, which have the same interface.

python -m benchmarks.stable_baselines <sbx or sb3> <size> [n]

Both run as their documentation shows: `SAC("MlpPolicy", environment)` with all defaults (learning
rates, networks of 256-256, a Monitor around the environment), and `verbose=1`, their normal log,
every fourth episode. Both have as many threads as the process has cores: JAX does so by itself, and
for torch the number is set. With `n` they collect n steps before n times the updates (train_freq,
gradient_steps), unlike their defaults. Tasks with images are learned by `CnnPolicy` with the
networks and the batch of this library.

Tasks:
  update: updates per second of `train`.
  loop: environment steps per second of `learn`.
"""

import importlib
import sys
import time
from typing import Any

from benchmarks import channel
from benchmarks.random_images import Images
from benchmarks.sizes import FRAMES, SIZES, UNITS, Size

_MODULES = {"sbx": "sbx", "sb3": "stable_baselines3"}
_PACKAGES = {"sbx": ("sbx-rl", "jax", "jaxlib", "flax"), "sb3": ("stable-baselines3", "torch")}
_BUFFER = 10_000
"""Rows of a replay with images, which are stored twice."""


def _image_networks() -> dict[str, Any]:
    """Returns the networks of `gin_configs/drq.gin`: convolutions that the critics' loss trains,
    and that the policy shares."""
    from benchmarks.torch_encoder import Encoder

    return {
        "features_extractor_class": Encoder,
        "share_features_extractor": True,
        "net_arch": [UNITS, UNITS],
    }


class StableBaselines:
    """A model after its random steps."""

    def __init__(self, library: str, size: Size, steps_per_call: int):
        """Builds the model and takes the random steps, before any update."""
        if library == "sb3":
            importlib.import_module("torch").set_num_threads(channel.cores())
        self._batch = size.batch
        changes: dict[str, Any] = {}
        if size.updates_per_step > 1:
            changes["policy_delay"] = size.updates_per_step
            changes["policy_kwargs"] = {"n_critics": size.critics}
        policy, environment = "MlpPolicy", size.environment
        if size.image:
            policy, environment = "CnnPolicy", Images(size.image, channels=3 * FRAMES)
            changes["buffer_size"] = _BUFFER
            changes["policy_kwargs"] = _image_networks()
        self._model = importlib.import_module(_MODULES[library]).SAC(
            policy,
            environment,
            batch_size=size.batch,
            learning_starts=size.random_steps,
            train_freq=steps_per_call,
            gradient_steps=steps_per_call * size.updates_per_step,
            verbose=1,
            seed=0,
            **changes,
        )
        self._model.learn(size.random_steps)

    def update(self, updates: int, calls: int) -> float:
        """Returns updates per second of `calls` calls of `train` with `updates` updates each,
        sampling included."""
        start = time.perf_counter()
        for _ in range(calls):
            self._model.train(gradient_steps=updates, batch_size=self._batch)
        return calls * updates / (time.perf_counter() - start)

    def loop(self, steps: int) -> float:
        """Returns environment steps per second of `learn`, which continues the last call."""
        start = time.perf_counter()
        self._model.learn(steps, reset_num_timesteps=False)
        return steps / (time.perf_counter() - start)


def main() -> None:
    """Serves one library and size."""
    responses = channel.claim_stdout()
    library = sys.argv[1]
    size = SIZES[sys.argv[2]]
    steps_per_call = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    peer = StableBaselines(library, size, steps_per_call)
    versions = channel.versions(*_PACKAGES[library], "gymnasium", "mujoco")
    channel.serve(responses, versions, {"update": peer.update, "loop": peer.loop})


if __name__ == "__main__":
    main()
