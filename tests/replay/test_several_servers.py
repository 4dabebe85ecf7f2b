"""Replay on several servers: rows are written to them, and batches sampled from them, evenly."""

import numpy as np
import pytest
import reverb
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.prioritized import PrioritizedSampler
from sac_tf.replay.reader import BatchReader
from sac_tf.replay.samplers import ResidentSampler, ReverbSampler, fetched_ahead
from sac_tf.replay.tables import REPLAY_TABLE, ReplayServer, make_tables
from sac_tf.replay.writer import BLOCK_ROWS, TransitionWriter, wait_once
from tests.replay.numbered import numbered_rows
from tests.sources import sample_rows


@pytest.fixture
def servers(spec, tmp_path):
    """Three servers."""
    width = RowPacker(spec).width
    servers = [
        ReplayServer(make_tables(width, capacity=1000), tmp_path / f"staging{number}", None)
        for number in range(3)
    ]
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def make_writer(spec):
    """Returns a function that makes a writer to servers, closed after the test."""
    writers = []

    def make(servers, with_queue=False, wait=wait_once):
        clients = [server.client for server in servers]
        writer = TransitionWriter(RowPacker(spec), clients, with_queue, wait, discount=0.99)
        writers.append(writer)
        return writer

    yield make
    for writer in writers:
        writer.close()


def _sampler(spec, servers, make=ReverbSampler):
    """Returns a sampler of servers."""
    return make(
        [server.address for server in servers],
        RowPacker(spec),
        capacity=3000,
        expected_rows=96,
        generator=tf.random.Generator.from_seed(1),
        feed=fetched_ahead,
    )


def _numbers(server, rows: int) -> list[int]:
    """Returns the sorted numbers of the `rows` rows of a server; 40 draws for each include all."""
    assert server.size() == rows
    samples = server.client.sample(REPLAY_TABLE, 40 * rows, emit_timesteps=False)
    numbers = sorted({int(sample.data[0][0]) for sample in samples})
    assert len(numbers) == rows
    return numbers


def _block(number: int) -> list[int]:
    return list(range(number * BLOCK_ROWS, (number + 1) * BLOCK_ROWS))


def test_blocks_of_rows_are_written_to_the_servers_in_turn(servers, make_writer):
    """5 blocks and 4 rows on three servers, added 7 rows at a time."""
    writer = make_writer(servers)
    added = 5 * BLOCK_ROWS + 4
    for first in range(0, added, 7):
        writer.add(numbered_rows(first, min(first + 7, added)), step=first)
    assert writer.rows_added == added
    assert writer.unpublished == 4
    writer.publish()
    assert writer.unpublished == 0
    assert _numbers(servers[0], 2 * BLOCK_ROWS) == _block(0) + _block(3)
    assert _numbers(servers[1], 2 * BLOCK_ROWS) == _block(1) + _block(4)
    assert _numbers(servers[2], BLOCK_ROWS + 4) == _block(2) + _block(5)[:4]


def test_an_unfinished_block_that_is_published_takes_a_turn(servers, make_writer):
    """Otherwise a writer that publishes every 3 rows would use the first server alone."""
    writer = make_writer(servers)
    for first in range(0, 15, 3):
        writer.add(numbered_rows(first, first + 3), step=first)
        writer.publish()
        writer.publish()  # nothing to publish: no turn
    assert _numbers(servers[0], 6) == [0, 1, 2, 9, 10, 11]
    assert _numbers(servers[1], 6) == [3, 4, 5, 12, 13, 14]
    assert _numbers(servers[2], 3) == [6, 7, 8]


def test_the_queue_of_each_server_has_its_own_rows(servers, make_writer):
    writer = make_writer(servers[:2], with_queue=True)
    writer.add(numbered_rows(0, 2 * BLOCK_ROWS), step=0)
    for number, server in enumerate(servers[:2]):
        (block,) = server.client.sample("queue", 1, emit_timesteps=False)
        assert block.data[0][:, 0].astype(int).tolist() == _block(number)


def test_the_wait_names_the_server_that_has_no_room(spec, tmp_path, make_writer, servers):
    """The first server takes one block, the second all."""
    limiter = lambda min_size_to_sample: reverb.rate_limiters.Queue(BLOCK_ROWS)  # noqa: E731
    tables = make_tables(RowPacker(spec).width, rate_limiter=limiter)
    full = ReplayServer(tables, tmp_path / "full", None)
    waited = []

    def wait(attempt, what: str) -> bool:
        if not attempt(1.0):
            waited.append(what)
        return True

    writer = make_writer([full, servers[0]], wait=wait)
    writer.add(numbered_rows(0, 3 * BLOCK_ROWS), step=0)
    assert waited == []  # up to 8 blocks may be pending
    writer.publish()
    assert waited == [f"room in the replay at {full.client.server_address}"]
    assert servers[0].size() == BLOCK_ROWS
    full.stop()


@pytest.mark.parametrize(("number", "parts"), [(9, [3, 3, 3]), (8, [2, 3, 3]), (256, [85, 85, 86])])
def test_each_server_has_an_even_share_of_every_batch(spec, servers, make_writer, number, parts):
    for server, first in zip(servers, (0, 100, 200), strict=True):
        writer = make_writer([server])
        writer.add(numbered_rows(first, first + 20), step=first)
        writer.publish()
    sampler = _sampler(spec, servers)
    sample = tf.function(lambda: sampler.draw(number))
    for _ in range(5):
        batch, info = sample()
        np.testing.assert_array_equal(batch.reward.numpy() // 100, np.repeat([0, 1, 2], parts))
        np.testing.assert_array_equal(batch.next_observation[:, 1], batch.reward + 1)
        assert info.key.shape == [number]
        assert set(info.table_size.numpy()) == {20}


def test_every_row_of_every_server_is_sampled(spec, servers, make_writer):
    writer = make_writer(servers)
    writer.add(numbered_rows(0, 6 * BLOCK_ROWS), step=0)
    writer.publish()
    reader = BatchReader(
        RowPacker(spec),
        [server.address for server in servers],
        capacity=3000,
        expected_rows=96,
        generator=None,
        feed=fetched_ahead,
        default=ReverbSampler,
    )
    rewards = sample_rows(reader, 3000).reward.numpy()
    assert set(rewards) == set(range(6 * BLOCK_ROWS))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            PrioritizedSampler,
            "PrioritizedSampler draws from one server, and .* names 2: .* Give one",
        ),
        (ResidentSampler, "BatchReader.sampler=@ResidentSampler keeps a copy of every row"),
    ],
)
def test_a_sampler_of_one_server_raises_with_two(spec, servers, make, words):
    with pytest.raises(ConfigurationError, match=words):
        _sampler(spec, servers[:2], make)
