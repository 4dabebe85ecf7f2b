"""Messages between the processes of a distributed run, in three small tables of the replay servers.

policy      the newest policy, published by the learner
heartbeats  the state of each process, read by the server
status      the status of the run, published by the server

All servers have the tables; policy and heartbeats use those of the first one.
"""

import json
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import reverb
import tensorflow as tf

from sac_tf.agents.policy import Policy
from sac_tf.errors import ConfigurationError
from sac_tf.replay.tables import Fifo

POLICY_TABLE = "policy"
HEARTBEAT_TABLE = "heartbeats"
STATUS_TABLE = "status"
_TEXT = "text"
_NUMBERS = "numbers"
_VALUES = "values"
_MAX_HEARTBEATS = 10_000
_TIMEOUT_S = 5
"""Timeout of a request, in seconds."""
NO_ANSWER = (reverb.errors.ReverbError, RuntimeError, TimeoutError)
"""Raised by requests to a server that is gone or does not answer."""


def message_tables() -> list[reverb.Table]:
    """Returns the three tables."""
    text = {_TEXT: tf.TensorSpec([None], tf.uint8)}
    policy = {
        _NUMBERS: tf.TensorSpec([None], tf.float64),
        _VALUES: tf.TensorSpec([None], tf.float32),
    }
    return [
        _table(POLICY_TABLE, policy, max_size=1),
        _table(HEARTBEAT_TABLE, text, max_size=_MAX_HEARTBEATS, max_times_sampled=1),
        _table(STATUS_TABLE, text, max_size=1),
    ]


def _table(
    name: str, signature: dict[str, tf.TensorSpec], max_size: int, max_times_sampled: int = 0
) -> reverb.Table:
    return reverb.Table(
        name=name,
        sampler=Fifo(),
        remover=Fifo(),
        max_size=max_size,
        rate_limiter=reverb.rate_limiters.MinSize(1),
        max_times_sampled=max_times_sampled,
        signature=signature,
    )


class PublishedPolicy(NamedTuple):
    """A published policy.

    Attributes:
      values: float32 [n], all variables of the policy.
      updates: critic updates when it was published.
      step: environment step when it was published.
      elapsed: seconds of learning before it.
      new_priority: of rows that are inserted now, if the replay table is sampled by priorities.
      is_last: whether the run is complete.
      published: UNIX time on the learner's clock.
    """

    values: np.ndarray
    updates: int
    step: int
    elapsed: float
    new_priority: float
    is_last: bool
    published: float


def publish(client: reverb.Client, policy: PublishedPolicy) -> None:
    """Replaces the published policy.

    Raises:
      NO_ANSWER: the server does not answer.
    """
    numbers = np.array(policy[1:], np.float64)
    _insert(client, POLICY_TABLE, {_NUMBERS: numbers, _VALUES: policy.values})


def newest_policy(client: reverb.Client) -> PublishedPolicy | None:
    """Returns the published policy, None if there is none. Raises as `publish`."""
    if not _size(client, POLICY_TABLE):
        return None
    numbers, values = next(client.sample(POLICY_TABLE, emit_timesteps=False)).data
    updates, step, elapsed, new_priority, is_last, published = map(float, numbers[0])
    return PublishedPolicy(
        values=values[0],
        updates=int(updates),
        step=int(step),
        elapsed=elapsed,
        new_priority=new_priority,
        is_last=bool(is_last),
        published=published,
    )


def values_of(policy: Policy) -> np.ndarray:
    """Returns all variables of `policy` as float32 [n]."""
    return np.concatenate(
        [np.ravel(variable.numpy()).astype(np.float32) for variable in policy.variables]
    )


def set_values(policy: Policy, values: np.ndarray) -> None:
    """Assigns `values` [n] to the variables of `policy`.

    Raises:
      ConfigurationError: the policy has another number of values.
    """
    sizes = [int(np.prod(variable.shape)) for variable in policy.variables]
    if sum(sizes) != len(values):
        raise ConfigurationError(
            f"The published policy has {len(values):,} numbers, and one built from this "
            f"configuration {sum(sizes):,}; give all processes the same gin files and bindings."
        )
    pieces = np.split(values, np.cumsum(sizes)[:-1])
    for variable, piece in zip(policy.variables, pieces, strict=True):
        variable.assign(piece.reshape(variable.shape).astype(variable.dtype.as_numpy_dtype))


def send(client: reverb.Client, table: str, message: dict[str, Any]) -> None:
    """Inserts `message`, with the current time, into a table. Raises as `publish`."""
    text = json.dumps({**message, "time": time.time()})
    _insert(client, table, {_TEXT: np.frombuffer(text.encode(), np.uint8)})


def receive(client: reverb.Client, table: str) -> list[dict[str, Any]]:
    """Returns the messages of a table: the status, or all heartbeats, which are removed. Raises as
    `publish`."""
    size = _size(client, table)
    samples: Sequence[Any] = list(client.sample(table, size, emit_timesteps=False)) if size else []
    return [json.loads(bytes(sample.data[0][0])) for sample in samples]


def _size(client: reverb.Client, table: str) -> int:
    return client.server_info(timeout=_TIMEOUT_S)[table].current_size


def _insert(client: reverb.Client, table: str, columns: dict[str, np.ndarray]) -> None:
    # Without a server, an insert never returns and keeps a core busy; this request has a timeout.
    client.server_info(timeout=_TIMEOUT_S)
    client.insert(columns, {table: 1.0})
