"""Items of one table of a Reverb checkpoint, also put into a queue; new limits are tested in
tests/distributed/test_rate_limits.py."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import reverb
import tensorflow as tf

from sac_tf.pinned.reverb_checkpoint import fill_queue
from sac_tf.replay.tables import ReplayServer
from tests.waiting import eventually

KEPT = 3
"""Items that the table keeps."""


def _tables(kept: int):
    """A table that keeps the newest items, a queue of them, and another table."""
    signature = {"number": tf.TensorSpec([2], tf.float32)}
    fifo = reverb.selectors.Fifo
    limiter = reverb.rate_limiters.MinSize
    return [
        reverb.Table("kept", fifo(), fifo(), kept, limiter(1), signature=signature),
        reverb.Table(
            "queue", fifo(), fifo(), 100, limiter(1), max_times_sampled=1, signature=signature
        ),
        reverb.Table("other", fifo(), fifo(), 100, limiter(1), signature=signature),
    ]


@pytest.fixture
def serve(tmp_path):
    """Returns a function that starts a server of the tables, stopped after the test."""
    servers = []

    def start(restore_from=None, kept=KEPT):
        staging = tmp_path / f"staging{len(servers)}"
        servers.append(ReplayServer(_tables(kept), staging, restore_from))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def saved(serve, tmp_path):
    """A checkpoint with the items 2 to 4 of a table that had 0 to 4, and others; the queue has
    already given its items 0 and 1."""
    server = serve()
    for number in range(5):
        _insert(server, "kept", number)
        _insert(server, "other", 100 + number)
    for number in range(2):
        _insert(server, "queue", number)
    assert _take(server, "queue", 2) == [0, 1]
    assert _take(server, "kept", 2) == [2, 2]
    server.checkpoint(tmp_path / "saved")
    return tmp_path / "saved"


def _insert(server, table: str, number: int) -> None:
    before = server.inserted(table)
    with server.client.trajectory_writer(num_keep_alive_refs=1) as writer:
        writer.append({"number": np.full(2, number, np.float32)})
        writer.create_item(table, 1.0, {"number": writer.history["number"][-1]})
        writer.flush(timeout_ms=5000)
    eventually(lambda: server.inserted(table) > before)


def _take(server, table: str, number: int) -> list[int]:
    """Returns the numbers of the next items of a table."""
    samples = server.client.sample(table, number, emit_timesteps=False)
    return [int(sample.data[0][0]) for sample in samples]


def _shuffle(items: Path) -> None:
    """Writes the items of a checkpoint in another order."""
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(items), "ZLIB")]
    np.random.default_rng(0).shuffle(records)
    with tf.io.TFRecordWriter(str(items), "ZLIB") as writer:
        for record in records:
            writer.write(record)


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.glob("**/*.*")}


def test_a_filled_queue_gives_each_item_once_and_in_order(serve, saved):
    server = serve(saved)
    assert server.size("queue") == 0
    fill_queue(saved, "kept", "queue")
    server = serve(saved)
    assert [server.size(name) for name in ("kept", "queue", "other")] == [KEPT, KEPT, 5]
    assert _take(server, "queue", KEPT) == [2, 3, 4]
    assert server.size("queue") == 0


def test_a_queue_continues_after_the_items_of_the_table(serve, saved):
    """And the tables have the counts that they had."""
    before = serve(saved).client.server_info(timeout=5)
    fill_queue(saved, "kept", "queue")
    server = serve(saved)
    after = server.client.server_info(timeout=5)
    for name in ("kept", "other"):
        counts = [info[name].rate_limiter_info for info in (before, after)]
        assert counts[0].insert_stats.completed == counts[1].insert_stats.completed == 5
        assert counts[0].sample_stats.completed == counts[1].sample_stats.completed
    _insert(server, "queue", 5)
    assert _take(server, "queue", KEPT + 1) == [2, 3, 4, 5]
    _insert(server, "kept", 5)
    assert server.size("kept") == KEPT
    assert _take(server, "kept", 1) == [3]


def test_many_items_are_in_order(serve, tmp_path):
    """Whatever the order in Reverb's file, which it does not promise."""
    server = serve(kept=64)
    for number in range(70):
        _insert(server, "kept", number)
    server.checkpoint(tmp_path / "saved")
    _shuffle(tmp_path / "saved/items.tfrecord")
    fill_queue(tmp_path / "saved", "kept", "queue")
    server = serve(tmp_path / "saved", kept=64)
    assert _take(server, "queue", 64) == list(range(6, 70))


def test_a_checkpoint_that_links_point_to_is_unchanged(serve, saved, tmp_path):
    before = _contents(saved)
    copy = tmp_path / "copy"
    shutil.copytree(saved, copy, copy_function=os.link)
    fill_queue(copy, "kept", "queue")
    assert _contents(saved) == before
    changed = {path.name for path, content in _contents(copy).items() if content != before[path]}
    assert changed == {"items.tfrecord", "tables.tfrecord"}
    server = serve(saved)
    assert server.size("queue") == 0 and server.size("kept") == KEPT


def test_an_empty_table_leaves_the_queue_empty(serve, tmp_path):
    server = serve()
    _insert(server, "other", 1)
    server.checkpoint(tmp_path / "saved")
    fill_queue(tmp_path / "saved", "kept", "queue")
    server = serve(tmp_path / "saved")
    assert [server.size(name) for name in ("kept", "queue", "other")] == [0, 0, 1]
