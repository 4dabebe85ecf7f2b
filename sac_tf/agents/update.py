"""The compiled update: batches in, the steps of `sac.py` on each, all in one function.

The steps are traced into one function and are not functions of their own: the optimizer of
  TensorFlow 2.15 gives up on
a graph that calls one function several times, which costs a sixth of the speed. No autograph:
  nothing here branches on
a tensor, and errors keep their own words.
"""

from collections.abc import Callable
from typing import NamedTuple

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.agents.sac.state import TrainState
from sac_tf.agents.sac.steps import Metrics, sac_steps
from sac_tf.errors import require_count
from sac_tf.types import Transition


class Update(NamedTuple):
    """A compiled update: `run()` does `updates_per_call` of them and returns the metrics of the
    last."""

    run: Callable[[], Metrics]
    updates_per_call: int
    batch_size: int
    metric_names: tuple[str, ...]


def _keep_nothing(rows: Transition, td_error: tf.Tensor) -> None:
    """Uniform draws do not depend on errors."""


@gin.configurable
def make_update(
    state: TrainState,
    sample: Callable[[int], Transition],
    learned_from: Callable[[Transition, tf.Tensor], None] = _keep_nothing,
    batch_size: int = 256,
    updates_per_call: int = 16,
    steps: Callable[..., tuple[Metrics, tf.Tensor]] = sac_steps,
    jit_compile: bool = False,
) -> Update:
    """Compiles `updates_per_call` updates of `state` into one function, which calls `sample` and
    `learned_from` too.

    Args:
      state: changed in place by each call.
      sample: f(B) returns a batch of B transitions.
      learned_from: f(rows, |Q - y| [rows]) hears what was learned from.
      batch_size: B of one update, on all devices together.
      updates_per_call: critic updates of one call, unrolled.
      steps: f(state, K batches) takes the steps of K updates, and returns metrics and |Q - y| [K
        B].
      jit_compile: compile the steps with XLA (slower on a CPU, faster on a GPU); on one device
        only.

    Raises:
      ConfigurationError: a number that cannot work, or not with the devices of `state`.
    """
    _check(state, batch_size, updates_per_call, jit_compile)

    def learn(rows: Transition) -> tuple[Metrics, tf.Tensor]:
        return devices.on_replicas(
            state.strategy, lambda own: steps(state, _split(own, updates_per_call)), rows
        )

    if jit_compile:
        learn = tf.function(learn, jit_compile=True, autograph=False)

    @tf.function(autograph=False)
    def run() -> Metrics:
        rows = sample(updates_per_call * batch_size)
        metrics, td_error = learn(rows)
        learned_from(rows, td_error)
        state.updates.assign_add(updates_per_call)
        return metrics

    # Traces now, so that a setting which cannot work is refused before the first step.
    names = run.get_concrete_function().structured_outputs
    return Update(run, updates_per_call, batch_size, tuple(sorted(names)))


def _check(state: TrainState, batch_size: int, updates_per_call: int, jit_compile: bool) -> None:
    require_count("make_update.batch_size", batch_size)
    require_count("make_update.updates_per_call", updates_per_call)
    devices.require_shares(state.strategy, batch_size, jit_compile)


def _split(rows: Transition, parts: int) -> list[Transition]:
    pieces = [tf.split(leaf, parts) for leaf in tf.nest.flatten(rows)]
    return [tf.nest.pack_sequence_as(rows, leaves) for leaves in zip(*pieces, strict=True)]
