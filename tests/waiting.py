"""Waiting for what other threads and processes do."""

import time

from sac_tf.replay.tables import REPLAY_TABLE


def eventually(condition, seconds: float = 60.0, words=lambda: ""):
    """Returns `condition()` once it is true; fails after `seconds` with `words()`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still false after {seconds} s. {words()}"
        time.sleep(0.01)
    return value


def wait_for_items(servers, number: int) -> None:
    """Waits until the replay tables of the servers have `number` items together, and checks that
    they have no more. Reverb confirms an item when it is queued for insertion."""
    eventually(lambda: _items(servers) >= number)
    assert _items(servers) == number


def _items(servers) -> int:
    return sum(server.size(REPLAY_TABLE) for server in servers)
