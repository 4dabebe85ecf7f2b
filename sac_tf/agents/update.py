"""The compiled update: batches and the steps on each, all in one function.

The steps are traced into one function instead of being functions themselves: TensorFlow 2.15
optimizes a graph less well if it calls one function several times, which costs a sixth of the
speed. Autograph is off: nothing here branches on a tensor, and error messages stay as they are.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.agents.agent import Steps, TrainState
from sac_tf.errors import require_count
from sac_tf.types import Metrics, Transition


class Update(NamedTuple):
    """A compiled update: `run()` does `updates_per_call` updates and returns the metrics of the
    last."""

    run: Callable[[], Metrics]
    updates_per_call: int
    batch_size: int
    metric_names: tuple[str, ...]


class Sample(Protocol):
    """Returns a batch of `number` transitions, inside a `tf.function`."""

    def __call__(self, number: int) -> Transition: ...


class UpdatePriorities(Protocol):
    """Called with a batch and its TD errors |Q - y| [rows], inside a `tf.function`."""

    def __call__(self, batch: Transition, td_error: tf.Tensor) -> None: ...


@gin.configurable("update")
def make_update(
    state: TrainState,
    sample: Sample,
    update_priorities: UpdatePriorities,
    batch_size: int,
    steps: Steps,
    updates_per_call: int = 16,
    jit_compile: bool = False,
) -> Update:
    """Compiles `updates_per_call` updates of `state` into one function, sampling included.

    Args:
      state: changed in place by each call.
      sample, update_priorities: called once for all updates of a call.
      batch_size: B of one update, on all devices together.
      steps: takes the steps.
      updates_per_call: critic updates of one call, unrolled; more compile longer and run faster.
      jit_compile: compile the steps with XLA (slower on a CPU, faster on a GPU); one device only.

    Raises:
      ConfigurationError: a number that cannot work, or not with the devices of `state`.
    """
    require_count("train.batch_size", batch_size)
    require_count("update.updates_per_call", updates_per_call)
    devices.require_shares(state.strategy, batch_size, jit_compile)
    learn = _on_replicas(state, steps, updates_per_call)
    if jit_compile:
        learn = tf.function(learn, jit_compile=True, autograph=False)

    @tf.function(autograph=False)
    def run() -> Metrics:
        rows = sample(updates_per_call * batch_size)
        metrics, td_error = learn(rows)
        update_priorities(rows, td_error)
        state.updates.assign_add(updates_per_call)
        return metrics

    # Traced here, so that a setting that cannot work raises before the first step.
    names = run.get_concrete_function().structured_outputs
    return Update(run, updates_per_call, batch_size, tuple(sorted(names)))


def _on_replicas(
    state: TrainState, steps: Steps, updates: int
) -> Callable[[Transition], tuple[Metrics, tf.Tensor]]:
    """Returns f(rows) that takes the steps, on each replica with its share of every batch."""

    def learn_share(share: Transition) -> tuple[Metrics, tf.Tensor]:
        return steps(state, _split(share, updates))

    return lambda rows: devices.on_replicas(state.strategy, learn_share, rows)


def _split(rows: Transition, parts: int) -> list[Transition]:
    """Returns a batch [K B, ...] as K batches [B, ...]."""
    pieces = [tf.split(leaf, parts) for leaf in tf.nest.flatten(rows)]
    return [tf.nest.pack_sequence_as(rows, leaves) for leaves in zip(*pieces, strict=True)]
