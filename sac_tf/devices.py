"""Data-parallel learning on several devices: each device takes a share of every batch.

`mirrored` keeps a copy of each variable on each device, and the update runs once per device,
as a replica (a term of `tf.distribute`). Of R replicas, replica r takes the rows r, r + R, r + 2 R,
... of each batch, and of the noise drawn for them. Gradients and batch statistics are averaged over
the replicas; other random draws are made once and shared. So the result equals single-device
training, up to the order of sums. Only dropout masks and the draws of VICE's classifier are made by
each replica separately.

The functions below implement this inside a replica. Outside of one they return their arguments
unchanged and add nothing to a graph.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.types import Nest

_MEAN = tf.distribute.ReduceOp.MEAN


def current_strategy() -> tf.distribute.Strategy | None:
    """Returns the strategy whose scope this is called in, or None."""
    if not tf.distribute.has_strategy():
        return None
    return tf.distribute.get_strategy()


def run_once(step: Callable[[], Any]) -> None:
    """Calls `step()`, which changes variables, on each replica of the current strategy."""
    strategy = current_strategy()
    if strategy is None:
        step()
    else:
        strategy.run(tf.function(step, autograph=False))


def require_shares(
    strategy: tf.distribute.Strategy | None, batch_size: int, jit_compile: bool
) -> None:
    """Raises ConfigurationError if an update with these settings cannot run on all replicas."""
    if strategy is None:
        return
    if batch_size % strategy.num_replicas_in_sync:
        raise ConfigurationError(
            f"train.batch_size={batch_size} must be a multiple of "
            f"{strategy.num_replicas_in_sync}, the number of devices that share a batch with "
            "train.devices=@mirrored."
        )
    if jit_compile:
        raise ConfigurationError(
            "update.jit_compile=True does not work with train.devices=@mirrored; set it to False."
        )


def on_replicas(
    strategy: tf.distribute.Strategy | None, learn: Callable[[Nest], tuple], batches: Nest
) -> tuple:
    """Returns `learn(batches)`: a dict of means over rows, and a tensor [K, B].

    With a strategy, each of its replicas calls `learn` with its share of each batch.

    Args:
      strategy: of the train state, or None.
      learn: f(nest of [K, B, ...]).
      batches: nest of [K, B, ...].
    """
    if strategy is None:
        return learn(batches)

    def learn_share(batches: Nest) -> tuple:
        return learn(tf.nest.map_structure(lambda leaf: own_rows(leaf, axis=1), batches))

    means, results = strategy.run(learn_share, (batches,))
    means = {name: strategy.reduce(_MEAN, value, axis=None) for name, value in means.items()}
    parts = tf.stack(strategy.experimental_local_results(results), axis=2)
    return means, tf.reshape(parts, [parts.shape[0], -1])


def own_rows(leaf: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """Returns this replica's rows [B / R, ...] of a joint batch [B, ...], or of another axis."""
    replica = _replica()
    if replica is None:
        return leaf
    rows = slice(replica.replica_id_in_sync_group, None, replica.num_replicas_in_sync)
    return leaf[(slice(None),) * axis + (rows,)]


def joint_rows(leaf: tf.Tensor) -> tf.Tensor:
    """Returns a joint batch [B, ...] of which `own_rows` returns this replica's `leaf`
    [B / R, ...]; the other rows are placeholders."""
    if replicas() == 1:
        return leaf
    return tf.repeat(leaf, replicas(), axis=0)


def normal_noise(like: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns standard normal noise of the shape of `like` [B, ...], from a stateless seed, int32
    [2]; a replica gets its rows of the noise for the joint batch."""
    return own_rows(tf.random.stateless_normal(tf.shape(joint_rows(like)), seed))


def average(values: Any) -> Any:
    """Returns the mean of a nest of tensors over the replicas, on each replica; gradients flow
    through."""
    replica = _replica()
    if replica is None:
        return values
    return replica.all_reduce(_MEAN, values)


def once(draw: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Returns `draw()`, called once for all replicas; otherwise a generator would return a
    different draw to each."""
    replica = _replica()
    if replica is None:
        return draw()
    return replica.merge_call(lambda _: draw())


def moments(x: tf.Tensor, axis: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns mean and variance along `axis` of the joint batch, of which each replica has an equal
    share."""
    mean, variance = tf.nn.moments(x, axes=[axis])
    if replicas() == 1:
        return mean, variance
    joint = average(mean)
    return joint, average(variance + tf.square(mean - joint))


def replicas() -> int:
    """Returns R, the number of replicas that call this in parallel; 1 outside of a replica."""
    replica = _replica()
    if replica is None:
        return 1
    return replica.num_replicas_in_sync


def _replica() -> tf.distribute.ReplicaContext | None:
    if not tf.distribute.has_strategy():
        return None
    return tf.distribute.get_replica_context()
