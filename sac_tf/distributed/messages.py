"""What processes tell each other beside the rows: three small tables on every replay server, in use
on the first.

policy      the newest policy, from the learner to whoever acts
heartbeats  how each process is, from all to the server
board       how everything is, from the server to whoever looks
"""

import json
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import reverb
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay.tables import Fifo

POLICY_TABLE, HEARTBEAT_TABLE, BOARD_TABLE = "policy", "heartbeats", "board"
_TEXT, _NUMBERS, _VALUES = "text", "numbers", "values"
_MOST_HEARTBEATS = 10_000
_ANSWER_S = 5
"""Within which a server that lives answers."""


def exchange_tables() -> list[reverb.Table]:
    """Returns the three tables."""
    text = {_TEXT: tf.TensorSpec([None], tf.uint8)}
    policy = {
        _NUMBERS: tf.TensorSpec([None], tf.float64),
        _VALUES: tf.TensorSpec([None], tf.float32),
    }

    def table(name: str, size: int, signature: dict, max_times_sampled: int = 0) -> reverb.Table:
        limiter = reverb.rate_limiters.MinSize(1)
        return reverb.Table(
            name, Fifo(), Fifo(), size, limiter, max_times_sampled, signature=signature
        )

    return [
        table(POLICY_TABLE, 1, policy),
        table(HEARTBEAT_TABLE, _MOST_HEARTBEATS, text, max_times_sampled=1),
        table(BOARD_TABLE, 1, text),
    ]


class Policy(NamedTuple):
    """A published policy.

    Attributes:
      values: float32 [n], all variables of the actor.
      updates, step: of the learner, when it was published.
      elapsed: seconds of learning behind it.
      new_priority: of rows that come now, if the replay table draws by priorities.
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


def publish(client: reverb.Client, policy: Policy) -> None:
    """Puts `policy` in the place of the one before; raises if the server does not answer."""
    _insert(
        client, POLICY_TABLE, {_NUMBERS: np.array(policy[1:], np.float64), _VALUES: policy.values}
    )


def newest_policy(client: reverb.Client) -> Policy | None:
    """Returns what was published last, or None; raises if the server does not answer."""
    if not client.server_info(timeout=_ANSWER_S)[POLICY_TABLE].current_size:
        return None
    numbers, values = next(client.sample(POLICY_TABLE, emit_timesteps=False)).data
    updates, step, elapsed, new_priority, is_last, published = map(float, numbers[0])
    return Policy(
        values=values[0],
        updates=int(updates),
        step=int(step),
        elapsed=elapsed,
        new_priority=new_priority,
        is_last=bool(is_last),
        published=published,
    )


def actor_values(actor: tf.keras.Model) -> np.ndarray:
    """Returns all variables of `actor` as float32 [n]."""
    return np.concatenate(
        [np.ravel(variable.numpy()).astype(np.float32) for variable in actor.variables]
    )


def set_actor_values(actor: tf.keras.Model, values: np.ndarray) -> None:
    """Sets all variables of `actor`.

    Raises:
      ConfigurationError: they are not as many.
    """
    sizes = [int(np.prod(variable.shape)) for variable in actor.variables]
    if sum(sizes) != len(values):
        raise ConfigurationError(
            f"The published policy has {len(values):,} numbers, and one built from this "
            f"configuration {sum(sizes):,}; "
            "give all processes the same gin files and bindings."
        )
    pieces = np.split(values, np.cumsum(sizes)[:-1])
    for variable, piece in zip(actor.variables, pieces, strict=True):
        variable.assign(piece.reshape(variable.shape).astype(variable.dtype.as_numpy_dtype))


def send(client: reverb.Client, table: str, message: dict[str, Any]) -> None:
    """Puts `message` and the time into a table; raises if the server does not answer."""
    text = json.dumps({**message, "time": time.time()})
    _insert(client, table, {_TEXT: np.frombuffer(text.encode(), np.uint8)})


def receive(client: reverb.Client, table: str) -> list[dict[str, Any]]:
    """Returns what a table holds: all heartbeats, which are then gone, or the board. Raises as
    `tell`."""
    size = client.server_info(timeout=_ANSWER_S)[table].current_size
    samples: Sequence[Any] = list(client.sample(table, size, emit_timesteps=False)) if size else []
    return [json.loads(bytes(sample.data[0][0])) for sample in samples]


def _insert(client: reverb.Client, table: str, columns: dict[str, np.ndarray]) -> None:
    client.server_info(
        timeout=_ANSWER_S
    )  # an insert waits for ever for a server that is gone, and keeps a core busy
    client.insert(columns, {table: 1.0})
