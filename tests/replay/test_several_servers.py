"""One replay on several servers: rows spread evenly, and batches are drawn evenly."""

import numpy as np
import pytest
import reverb
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.prioritized import PrioritizedSampler
from sac_tf.replay.reader import BatchReader
from sac_tf.replay.samplers import ReverbSampler
from sac_tf.replay.tables import REPLAY_TABLE, ReplayServer, make_tables
from sac_tf.replay.writer import BLOCK_ROWS, TransitionWriter
from tests.replay.numbered import numbered_rows


@pytest.fixture
def servers(spec, tmp_path):
    """Three servers."""
    tables = [make_tables(RowPacker(spec).width, capacity=1000) for _ in range(3)]
    servers = [
        ReplayServer(made, tmp_path / f"staging{number}") for number, made in enumerate(tables)
    ]
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def write(spec):
    """Returns a function that makes a writer to servers, closed after the test."""
    writers = []

    def make(servers, **settings):
        clients = [server.client for server in servers]
        writers.append(
            TransitionWriter(RowPacker(spec), clients, **{"with_queue": False} | settings)
        )
        return writers[-1]

    yield make
    for writer in writers:
        writer.close()


def _numbers(server, rows: int) -> list[int]:
    """The numbers of the rows that a server of `rows` rows has, in their order: 40 draws for each
    leave none out."""
    assert server.size() == rows
    samples = server.client.sample(REPLAY_TABLE, 40 * rows, emit_timesteps=False)
    numbers = sorted({int(sample.data[0][0]) for sample in samples})
    assert len(numbers) == rows
    return numbers


def _block(number: int) -> list[int]:
    return list(range(number * BLOCK_ROWS, (number + 1) * BLOCK_ROWS))


def test_blocks_of_rows_go_to_the_servers_in_turn_and_none_is_lost(servers, write):
    """5 blocks and 4 rows, over three servers, added 7 rows at a time."""
    writer, added = write(servers), 5 * BLOCK_ROWS + 4
    for first in range(0, added, 7):
        writer.add(numbered_rows(first, min(first + 7, added)), step=first)
    assert writer.rows_added == added and writer.unpublished == 4
    writer.publish()
    assert writer.unpublished == 0
    assert _numbers(servers[0], 2 * BLOCK_ROWS) == _block(0) + _block(3)
    assert _numbers(servers[1], 2 * BLOCK_ROWS) == _block(1) + _block(4)
    assert _numbers(servers[2], BLOCK_ROWS + 4) == _block(2) + _block(5)[:4]


def test_what_is_published_early_counts_as_a_block(servers, write):
    """Who publishes every 3 rows would else send all of them to the first server."""
    writer = write(servers)
    for first in range(0, 15, 3):
        writer.add(numbered_rows(first, first + 3), step=first)
        writer.publish()
        writer.publish()  # nothing to publish: no turn
    assert _numbers(servers[0], 6) == [0, 1, 2, 9, 10, 11]
    assert _numbers(servers[1], 6) == [3, 4, 5, 12, 13, 14]
    assert _numbers(servers[2], 3) == [6, 7, 8]


def test_each_server_has_a_queue_of_its_own_rows(servers, write):
    writer = write(servers[:2], with_queue=True)
    writer.add(numbered_rows(0, 2 * BLOCK_ROWS), step=0)
    for number, server in enumerate(servers[:2]):
        (block,) = server.client.sample("queue", 1, emit_timesteps=False)
        assert block.data[0][:, 0].astype(int).tolist() == _block(number)


def test_the_wait_hears_which_server_has_no_room(spec, tmp_path, write, servers):
    """The first server takes one block, the second all."""
    limiter = lambda min_size_to_sample: reverb.rate_limiters.Queue(BLOCK_ROWS)  # noqa: E731
    full = ReplayServer(make_tables(RowPacker(spec).width, rate_limiter=limiter), tmp_path / "full")
    waited = []

    def wait(attempt, what: str) -> bool:
        if not attempt(1.0):
            waited.append(what)
        return True

    writer = write([full, servers[0]], wait=wait)
    writer.add(numbered_rows(0, 3 * BLOCK_ROWS), step=0)
    assert waited == []  # up to 8 blocks may be on their way
    writer.publish()
    assert waited == [f"room in the replay at {full.client.server_address}"]
    assert servers[0].size() == BLOCK_ROWS
    full.stop()


@pytest.mark.parametrize(("number", "parts"), [(9, [3, 3, 3]), (8, [2, 3, 3]), (256, [85, 85, 86])])
def test_each_server_gives_an_even_part_of_every_batch(spec, servers, write, number, parts):
    for server, first in zip(servers, (0, 100, 200), strict=True):
        writer = write([server])
        writer.add(numbered_rows(first, first + 20), step=first)
        writer.publish()
    sampler = ReverbSampler([server.address for server in servers], RowPacker(spec), 0, 0, None)
    sample = tf.function(lambda: sampler.draw(number))
    for _ in range(5):
        batch, info = sample()
        np.testing.assert_array_equal(batch.reward.numpy() // 100, np.repeat([0, 1, 2], parts))
        np.testing.assert_array_equal(batch.next_observation[:, 1], batch.reward + 1)
        assert info.key.shape == [number] and set(info.table_size.numpy()) == {20}


def test_every_row_of_every_server_is_drawn(spec, servers, write):
    writer = write(servers)
    writer.add(numbered_rows(0, 6 * BLOCK_ROWS), step=0)
    writer.publish()
    reader = BatchReader(
        RowPacker(spec),
        [server.address for server in servers],
        3000,
        96,
        None,
        sampler=ReverbSampler,
    )
    rewards = tf.function(lambda: reader.sample(3000))().reward.numpy()
    assert set(rewards) == set(range(6 * BLOCK_ROWS))


def test_priorities_are_for_one_server(spec, servers):
    addresses = [server.address for server in servers[:2]]
    with pytest.raises(
        ConfigurationError,
        match="PrioritizedSampler draws from one server, and .* names 2: .* Give one",
    ):
        PrioritizedSampler(addresses, RowPacker(spec), 100, 100, tf.random.Generator.from_seed(1))
