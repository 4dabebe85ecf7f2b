"""The compiled update: batches, their transforms, and the steps on each, all in one function.

The steps are traced into one function instead of being functions themselves: TensorFlow 2.15
optimizes a graph less well if it calls one function several times, which costs a sixth of the
speed. Autograph is off: nothing here branches on a tensor, and error messages stay as they are.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.agents.agent import Steps, TrainState
from sac_tf.errors import ConfigurationError, require_count
from sac_tf.replay.protocols import Source, Transform
from sac_tf.types import Metrics, Transition


class Update(NamedTuple):
    """A compiled update: `run()` does `updates_per_call` updates and returns the metrics of the
    last."""

    run: Callable[[], Metrics]
    updates_per_call: int
    batch_size: int
    metric_names: tuple[str, ...]


@gin.configurable("update")
def make_update(
    state: TrainState,
    source: Source,
    batch_size: int,
    steps: Steps,
    transforms: Sequence[Transform],
    updates_per_call: int = 16,
    jit_compile: bool = False,
) -> Update:
    """Compiles `updates_per_call` updates of `state` into one function, sampling included.

    Args:
      state: changed in place by each call.
      source: gives the batches of a call, and takes their TD errors.
      batch_size: B of one update, on all devices together.
      steps: takes the steps.
      transforms: applied to each batch, in this order.
      updates_per_call: critic updates of one call, unrolled; more compile longer and run faster.
      jit_compile: compile the steps with XLA (slower on a CPU, faster on a GPU); one device only.

    Raises:
      ConfigurationError: a number that cannot work, or not with the devices of `state`.
    """
    require_count("train.batch_size", batch_size)
    require_count("update.updates_per_call", updates_per_call)
    devices.require_shares(state.strategy, batch_size, jit_compile)
    learn = _on_replicas(state, transforms, steps, jit_compile=jit_compile)

    @tf.function(autograph=False)
    def run() -> Metrics:
        batches = source.sample(updates_per_call, batch_size)
        metrics, td_error = learn(batches)
        source.update_priorities(batches, td_error)
        state.updates.assign_add(updates_per_call)
        return metrics

    # Traced here, so that a setting that cannot work raises before the first step.
    names = run.get_concrete_function().structured_outputs
    return Update(run, updates_per_call, batch_size, tuple(sorted(names)))


def require_whole_turns(setting: str, updates_per_turn: int, updates: int) -> None:
    """Raises ConfigurationError unless the updates of a call are whole turns: one actor step to
    several critic steps, for example. `setting` names the number of updates of a turn."""
    require_count(setting, updates_per_turn)
    if updates % updates_per_turn:
        raise ConfigurationError(
            f"update.updates_per_call={updates} must be a multiple of {setting}={updates_per_turn}."
        )


def _on_replicas(
    state: TrainState, transforms: Sequence[Transform], steps: Steps, *, jit_compile: bool
) -> Callable[[Transition], tuple[Metrics, tf.Tensor]]:
    """Returns f(batches [K, B, ...]) that takes the steps, on each replica with its share of every
    batch."""

    def transformed(batch: Transition) -> Transition:
        for transform in transforms:
            batch = transform(state, batch)
        return batch

    def learn_share(share: Transition) -> tuple[Metrics, tf.Tensor]:
        return steps(state, list(map(transformed, _unstack(share))))

    def learn(batches: Transition) -> tuple[Metrics, tf.Tensor]:
        return devices.on_replicas(state.strategy, learn_share, batches)

    return tf.function(learn, jit_compile=True, autograph=False) if jit_compile else learn


def _unstack(batches: Transition) -> list[Transition]:
    """Returns batches [K, B, ...] as K batches [B, ...]."""
    leaves = [tf.unstack(leaf) for leaf in tf.nest.flatten(batches)]
    return [tf.nest.pack_sequence_as(batches, batch) for batch in zip(*leaves, strict=True)]
