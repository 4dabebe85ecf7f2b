"""Parts of a distributed run in one process, for the tests of this folder."""

import numpy as np
import tensorflow as tf

from sac_tf.distributed.messages import message_tables
from sac_tf.replay.tables import REPLAY_TABLE, make_tables, window_signature
from sac_tf.replay.windows import Windows
from sac_tf.types import EnvironmentSpec


def make_windows(observations: int = 3, n: int = 1) -> Windows:
    """Returns the windows of the task of the fixture `spec`, or of one with other observations."""
    bound = np.ones(2, np.float32)
    spec = EnvironmentSpec.of_arrays(tf.TensorSpec([observations]), -bound, bound)
    return Windows(spec, 0.99, None, n=n)


WINDOWS = make_windows()
"""Of the task of the fixture `spec`."""


class Clock:
    """Replaces the module `time`: the test sets the time."""

    def __init__(self, now: float = 1000.0):
        self.now = now

    def time(self) -> float:
        return self.now

    monotonic = time

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def make_run_tables(windows, limiter, capacity=100, **settings):
    """Returns the tables of a replay server."""
    replay = make_tables(
        windows, capacity=capacity, rate_limiter=lambda min_size_to_sample: limiter, **settings
    )[0]
    return [replay, *message_tables()]


def insert_rows(client, rows: int, timeout_ms: int = 5000, windows: Windows = WINDOWS) -> None:
    """Inserts `rows` windows into the replay table, of the task of the fixture `spec` if no others
    are given."""
    writer = client.trajectory_writer(num_keep_alive_refs=1)
    columns = window_signature(windows)
    for number in range(rows):
        writer.append({name: np.full(of.shape, number, "f") for name, of in columns.items()})
        item = {name: column[-1] for name, column in writer.history.items()}
        writer.create_item(REPLAY_TABLE, 1.0, item)
    writer.flush(timeout_ms=timeout_ms)
    writer.close()


def sample_rows(client, rows: int) -> None:
    """Samples `rows` rows from the replay table."""
    assert len(list(client.sample(REPLAY_TABLE, rows))) == rows


def replay_info(server):
    """Returns Reverb's description of the replay table."""
    return server.client.server_info(timeout=5)[REPLAY_TABLE]
