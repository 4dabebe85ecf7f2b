"""One learner on several devices: each learns from its share of every batch, all together do what
one does with all.

`mirrored_state` keeps a copy of each variable on each device, and the update runs once on each, as
a replica (a term of `tf.distribute`). Of R replicas, replica r takes the rows r, r + R, r + 2 R,
... of a batch, and of the noise that goes with them. Gradients and statistics of batches are
averaged over the replicas, other random draws are made once for all. So the result is that of one
device, but for the order of sums; masks of dropout alone are drawn by each replica.

The functions below do this inside a replica. Elsewhere they give back what they got, and add
nothing to a graph.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.types import Nest

_MEAN = tf.distribute.ReduceOp.MEAN


def current_strategy() -> tf.distribute.Strategy | None:
    """Returns the strategy in whose scope this is called, or None."""
    return tf.distribute.get_strategy() if tf.distribute.has_strategy() else None


def run_once(step: Callable[[], Any]) -> None:
    """Calls `step()`, which changes variables, on each replica of the strategy in whose scope this
    is called."""
    strategy = current_strategy()
    if strategy is None:
        step()
    else:
        strategy.run(tf.function(step, autograph=False))


def require_shares(
    strategy: tf.distribute.Strategy | None, batch_size: int, jit_compile: bool
) -> None:
    """Raises ConfigurationError if an update with these settings of `make_update` cannot run on all
    replicas."""
    if strategy is None:
        return
    if batch_size % strategy.num_replicas_in_sync:
        raise ConfigurationError(
            f"train.batch_size={batch_size} must be a multiple of "
            f"{strategy.num_replicas_in_sync}, the number of "
            "devices of train.state=@mirrored_state, which share a batch."
        )
    if jit_compile:
        raise ConfigurationError(
            "update.jit_compile=True works without train.state=@mirrored_state only; leave "
            "it at False."
        )


def on_replicas(
    strategy: tf.distribute.Strategy | None, learn: Callable[[Nest], tuple], rows: Nest
) -> tuple:
    """Returns what `learn(rows)` returns, a dict of means over rows and a tensor [rows, ...].

    With a strategy, each of its replicas calls `learn` with its own rows.
    """
    if strategy is None:
        return learn(rows)
    means, results = strategy.run(
        lambda rows: learn(tf.nest.map_structure(own_rows, rows)), (rows,)
    )
    means = {name: strategy.reduce(_MEAN, value, axis=None) for name, value in means.items()}
    parts = tf.stack(strategy.experimental_local_results(results), axis=1)
    return means, tf.reshape(parts, [-1, *parts.shape[2:]])


def own_rows(leaf: tf.Tensor) -> tf.Tensor:
    """Returns the rows of a joint batch [B, ...] that are this replica's, [B / R, ...]."""
    replica = _replica()
    return (
        leaf
        if replica is None
        else leaf[replica.replica_id_in_sync_group :: replica.num_replicas_in_sync]
    )


def joint_rows(leaf: tf.Tensor) -> tf.Tensor:
    """Returns [B, ...] of which `own_rows` gives back this replica's [B / R, ...]; the others hold
    places."""
    return leaf if replicas() == 1 else tf.repeat(leaf, replicas(), axis=0)


def average(values: Any) -> Any:
    """Returns the mean of a nest of tensors over the replicas, each of which gets it; gradients
    flow through."""
    replica = _replica()
    return values if replica is None else replica.all_reduce(_MEAN, values)


def once(draw: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Returns `draw()`, called once for all replicas: a generator would give each of them something
    else."""
    replica = _replica()
    return draw() if replica is None else replica.merge_call(lambda _: draw())


def moments(x: tf.Tensor, axis: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns mean and variance of the joint batch along `axis`, of which each replica has an equal
    share."""
    mean, variance = tf.nn.moments(x, axes=[axis])
    if replicas() == 1:
        return mean, variance
    joint = average(mean)
    return joint, average(variance + tf.square(mean - joint))


def replicas() -> int:
    """Returns R, the replicas that call this side by side; 1 outside of them."""
    replica = _replica()
    return 1 if replica is None else replica.num_replicas_in_sync


def _replica() -> tf.distribute.ReplicaContext | None:
    return tf.distribute.get_replica_context() if tf.distribute.has_strategy() else None
