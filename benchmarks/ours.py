"""Worker: this library, built by gin as `binaries.train` builds it.

python -m benchmarks.ours <size> [binding ...]

Tasks:
  update: updates per second of the learner.
  gemm: updates per second if an update were its matrix products only.
  fill: bytes that a replay with rows takes.
"""

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import channel
from benchmarks.products import bare_products, update_products
from benchmarks.sizes import OUR_PACKAGES, SIZES, UPDATES_PER_CALL, Size, gin_bindings, gin_files
from binaries import launch

if TYPE_CHECKING:
    from sac_tf.replay.replay import Replay
    from sac_tf.training.updater import Updater
    from sac_tf.types import Transition

_REAL_ROWS = 10_000


class Ours:
    """A learner whose replay is filled in advance."""

    def __init__(self, size: Size, staging: Path, bindings: Sequence[str] = ()):
        """Reads the settings, `bindings` last, and sets up the runtime; builds no learner yet."""
        threads = f"set_runtime.inter_op = {channel.cores()}"
        self._settings = launch.make_training(
            gin_files(size), [*gin_bindings(size), threads, *bindings]
        )
        self._settings.runtime()
        self._environment = self._settings.environment_factory.make()
        self._staging = staging
        self._size = size
        self._filled: tuple[Updater, Replay] | None = None
        self._products: Callable[[int], float] | None = None
        self._step = 0

    def update(self, updates: int) -> float:
        """Returns updates per second: sampling from the resident rows, updates, metrics, checks."""
        rows = self._size.random_steps
        updater, replay = self._filled or self._fill(rows, expected_steps=rows)
        self._step += updates // self._size.updates_per_step
        done = updater.updates
        start = time.perf_counter()
        replay.refresh()
        for _ in range(updates // updater.updates_per_call):
            updater.update(self._step)
        return (updater.updates - done) / (time.perf_counter() - start)

    def gemm(self, updates: int) -> float:
        """Returns updates per second if an update were its matrix products only."""
        if self._products is None:
            self._products = bare_products(update_products(self._size), UPDATES_PER_CALL)
        return self._products(updates)

    def fill(self, rows: int, expected_steps: int) -> float:
        """Returns the bytes that this process holds with `rows` rows in a replay that has room for
        `expected_steps`, after one call of the compiled update."""
        self._fill(rows, expected_steps)
        self.update(self._size.updates_per_step * UPDATES_PER_CALL)
        return channel.resident_memory() * 1e6

    def _fill(self, rows: int, expected_steps: int) -> "tuple[Updater, Replay]":
        """Builds an updater and fills its replay with `rows` transitions of random actions,
        published as in the training loop.

        At most `_REAL_ROWS` are simulated and then repeated. (Reverb compresses a few rows at a
        time, so the repetition does not make them smaller.)
        """
        settings = self._settings
        spec = self._environment.spec
        state = settings.make_state(spec)
        replay = settings.replay(
            windows=settings.make_windows(spec),
            num_environments=1,
            generator=state.generator,
            staging=self._staging,
            expected_steps=expected_steps,
            restore_from=None,
        )
        self._filled = (settings.make_updater(state, replay, settings.make_rewards()), replay)
        steps = self._steps(min(rows, _REAL_ROWS))
        for row in range(rows):
            transition, ended = steps[row % len(steps)]
            replay.add(transition, row + 1, ended)
            if (row + 1) % UPDATES_PER_CALL == 0:
                replay.refresh()
        replay.publish()
        return self._filled

    def _steps(self, number: int) -> "list[tuple[Transition, list[int]]]":
        """Returns transitions of random actions, and which environments they ended."""
        from sac_tf.training.acting import uniform_actions
        from sac_tf.training.collecting import collect

        act = uniform_actions(self._environment.spec, 1, seed=0)
        collected = itertools.islice(collect(self._environment, act, seed=0), number)
        return [
            (step, [episode.environment for episode in episodes]) for step, episodes in collected
        ]

    def close(self) -> None:
        if self._filled is not None:
            self._filled[1].close()
        self._environment.close()


def main() -> None:
    """Serves one size."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")  # as `launch.run` does
    responses = channel.claim_stdout()
    folder = tempfile.TemporaryDirectory()
    ours = Ours(SIZES[sys.argv[1]], Path(folder.name) / "staging", sys.argv[2:])

    def close() -> None:
        ours.close()
        folder.cleanup()

    tasks: dict[str, Callable[..., float]] = {
        "update": ours.update,
        "gemm": ours.gemm,
        "fill": ours.fill,
    }
    channel.serve(responses, channel.versions(*OUR_PACKAGES), tasks, close)


if __name__ == "__main__":
    main()
