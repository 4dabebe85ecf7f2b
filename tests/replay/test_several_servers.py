"""Replay on several servers: steps are written to them, and batches sampled from them, evenly."""

import functools

import numpy as np
import pytest
import reverb
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay.hindsight import Hindsight
from sac_tf.replay.items import ItemStream
from sac_tf.replay.prioritized import PrioritizedSampler
from sac_tf.replay.reader import BatchReader
from sac_tf.replay.resident import ResidentSampler
from sac_tf.replay.samplers import ReverbSampler, fetched_ahead
from sac_tf.replay.segments import SegmentStream
from sac_tf.replay.streams import BLOCK_ROWS, PENDING_ITEMS
from sac_tf.replay.tables import QUEUE_TABLE, REPLAY_TABLE, ReplayServer, make_tables
from sac_tf.replay.windows import Windows
from sac_tf.replay.writer import StepWriter, wait_once
from sac_tf.types import Transition
from tests.replay.game import DISCOUNT, Game, drawn, game_spec
from tests.replay.goal_game import (
    GameGoals,
    GoalGame,
    drawn_goals,
    goal_spec,
    reachable_goals,
)
from tests.replay.numbered import add_numbered, numbered
from tests.waiting import wait_for_items

CAPACITY = 1000
"""Of each server."""


@pytest.fixture
def windows(spec):
    """One-step windows of numbered transitions."""
    return Windows(spec, DISCOUNT, None)


@pytest.fixture
def serve(tmp_path):
    """Returns a function that starts servers of windows, stopped after the test."""
    started = []

    def start(windows, number=3, **settings):
        first = len(started)
        for _ in range(number):
            tables = make_tables(windows, capacity=CAPACITY, **settings)
            started.append(ReplayServer(tables, tmp_path / f"staging{len(started)}", None))
        return started[first:]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def make_writer():
    """Returns a function that makes a writer to servers and its streams, closed after the test."""
    writers = []

    def make(windows, servers, num_environments=1, wait=wait_once):
        streams = [ItemStream(server.client, windows, num_environments, wait) for server in servers]
        writers.append(StepWriter(windows, num_environments, streams))
        return writers[-1], streams

    yield make
    for writer in writers:
        writer.close()


def _sampler(windows, servers, make=ReverbSampler):
    """Returns a sampler of servers."""
    return make(
        [server.address for server in servers],
        windows,
        capacity=CAPACITY * len(servers),
        expected_steps=96,
        generator=tf.random.Generator.from_seed(1),
        feed=fetched_ahead,
    )


def _reader(windows, servers):
    """Returns a reader of servers, a `Source`."""
    return BatchReader(
        windows,
        [server.address for server in servers],
        capacity=CAPACITY * len(servers),
        expected_steps=96,
        generator=tf.random.Generator.from_seed(0),
        feed=fetched_ahead,
        default=ReverbSampler,
    )


def _numbers(server, transitions: int) -> list[int]:
    """Returns the sorted numbers of the transitions of a server; 40 draws for each include all."""
    wait_for_items([server], transitions)
    if not transitions:
        return []
    samples = server.client.sample(REPLAY_TABLE, 40 * transitions, emit_timesteps=False)
    # Columns come in the order of their names: the first is that of the first step.
    numbers = sorted({int(sample.data[0][0]) for sample in samples})
    assert len(numbers) == transitions
    return numbers


def _turn(number: int, steps: int = BLOCK_ROWS) -> list[int]:
    return list(range(number * steps, (number + 1) * steps))


@pytest.mark.parametrize(
    ("servers", "environments", "n", "frames"),
    [(2, 3, 1, 1), (2, 3, 3, 3), (2, 3, 12, 1), (3, 1, 1, 3), (3, 1, 3, 1), (3, 1, 12, 3)],
)
def test_each_window_is_on_one_server(serve, make_writer, servers, environments, n, frames):
    """As the oracle has it, also while episodes are open."""
    windows = Windows(game_spec(frames), DISCOUNT, None, n=n)
    started = serve(windows, servers)
    writer, _ = make_writer(windows, started, environments)
    game = Game(n, environments, frames)
    for steps in (130, 3):
        game.play(writer, steps)
    writer.publish()
    _assert_shared(windows, started, writer, environments, game.transitions(n))
    writer.end_episodes()
    game.cut()
    game.play(writer, 70)
    writer.end_episodes()
    game.cut()
    writer.publish()
    assert len(game.transitions(n)) == 203 * environments
    _assert_shared(windows, started, writer, environments, game.transitions(n))


def _assert_shared(windows, servers, writer, environments, expected):
    """Checks that each window is on one server, once, and that all servers have about as many."""
    assert writer.transitions == len(expected)
    wait_for_items(servers, len(expected))
    sizes = [server.size(REPLAY_TABLE) for server in servers]
    parts = [drawn(_reader(windows, [server])) for server in servers]
    assert [len(part) for part in parts] == sizes
    whole = {}
    for part in parts:
        assert not part.keys() & whole.keys()
        whole |= part
    assert whole == expected
    # A turn, and what turns lack in which episodes end.
    assert max(sizes) - min(sizes) <= 2 * max(BLOCK_ROWS, windows.n) * environments


def test_steps_are_written_to_the_servers_in_turns(windows, serve, make_writer):
    """5 turns and 4 steps on three servers; a transition is there when its successor is."""
    servers = serve(windows)
    writer, streams = make_writer(windows, servers)
    add_numbered(writer, 0, 5 * BLOCK_ROWS + 4)
    assert writer.transitions == 5 * BLOCK_ROWS + 3
    assert [stream.rows for stream in streams] == [2 * BLOCK_ROWS + 2, 2 * BLOCK_ROWS + 2, 21]
    # Each stream sends its own blocks.
    assert writer.unpublished == 2 + 2 + 21 - BLOCK_ROWS
    writer.publish()
    assert writer.unpublished == 0
    assert _numbers(servers[0], 2 * BLOCK_ROWS) == _turn(0) + _turn(3)
    assert _numbers(servers[1], 2 * BLOCK_ROWS) == _turn(1) + _turn(4)
    assert _numbers(servers[2], BLOCK_ROWS + 3) == _turn(2) + _turn(5)[:3]
    writer.end_episodes()
    writer.publish()
    assert _numbers(servers[2], BLOCK_ROWS + 4) == _turn(2) + _turn(5)[:4]


def test_steps_around_a_change_are_written_to_both_servers(serve, make_writer):
    """Stacks of 3 frames need 2 steps before, and returns of 5 need 5 steps after."""
    windows = Windows(game_spec(3), DISCOUNT, None, n=5)
    writer, streams = make_writer(windows, serve(windows, 2))
    stack = np.arange(3, dtype=np.float32)
    for number in range(2 * BLOCK_ROWS):
        rows = [
            {"count": count[None], "image": count[None, None, None]}
            for count in (stack + number, stack + number + 1)
        ]
        writer.add(Transition(rows[0], np.zeros((1, 1)), np.ones(1), np.ones(1), rows[1]), number)
    assert [stream.rows for stream in streams] == [BLOCK_ROWS + 5 + 2, 2 + BLOCK_ROWS]
    assert writer.transitions == 2 * BLOCK_ROWS - 5


def test_a_long_return_makes_turns_longer(spec, serve, make_writer):
    """Windows of 20 steps are completed on their server before its next turn."""
    windows = Windows(spec, DISCOUNT, None, n=20)
    servers = serve(windows, 2)
    writer, _ = make_writer(windows, servers)
    add_numbered(writer, 0, 60)
    writer.end_episodes()
    writer.publish()
    assert _numbers(servers[0], 40) == _turn(0, 20) + _turn(2, 20)
    assert _numbers(servers[1], 20) == _turn(1, 20)


def test_environments_begin_on_different_servers(windows, serve, make_writer):
    """So that few steps of many environments are even, too."""
    servers = serve(windows, 2)
    writer, _ = make_writer(windows, servers, num_environments=3)
    for step in range(5):
        rows = [numbered(100 * environment + step) for environment in range(3)]
        joint = tf.nest.map_structure(lambda *leaves: np.concatenate(leaves), *rows)
        writer.add(joint, step)
    writer.end_episodes()
    writer.publish()
    assert _numbers(servers[0], 10) == [0, 1, 2, 3, 4, 200, 201, 202, 203, 204]
    assert _numbers(servers[1], 5) == [100, 101, 102, 103, 104]


@pytest.mark.parametrize("length", [BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 3])
def test_the_ends_of_episodes_keep_the_turns(windows, serve, make_writer, length):
    """Whatever their length: an environment that stayed on a server would fill it alone."""
    servers = serve(windows, 2)
    writer, _ = make_writer(windows, servers)
    for number in range(300):
        ended = [0] if (number + 1) % length == 0 else []
        writer.add(numbered(number), number, ended)
    writer.end_episodes()
    writer.publish()
    wait_for_items(servers, 300)
    sizes = [server.size(REPLAY_TABLE) for server in servers]
    assert max(sizes) - min(sizes) <= 2 * BLOCK_ROWS
    assert set(_numbers(servers[0], sizes[0])) ^ set(_numbers(servers[1], sizes[1])) == set(
        range(300)
    )


def test_publishing_keeps_the_turns(windows, serve, make_writer):
    """A writer that publishes every 3 steps uses all servers alike."""
    servers = serve(windows)
    writer, _ = make_writer(windows, servers)
    for first in range(0, 4 * BLOCK_ROWS, 4):
        add_numbered(writer, first, first + 4)
        writer.publish()
        writer.publish()  # nothing to publish
        assert writer.unpublished == 0
        wait_for_items(servers, first + 3)
    writer.end_episodes()
    writer.publish()
    assert _numbers(servers[0], 2 * BLOCK_ROWS) == _turn(0) + _turn(3)
    assert _numbers(servers[1], BLOCK_ROWS) == _turn(1)
    assert _numbers(servers[2], BLOCK_ROWS) == _turn(2)


def test_the_queue_of_each_server_has_its_own_rows(windows, serve):
    """And the step after the change, which completes the last window before it."""
    servers = serve(windows, 2)
    streams = [SegmentStream(server.client, windows, CAPACITY, wait_once) for server in servers]
    writer = StepWriter(windows, 1, streams)
    add_numbered(writer, 0, 2 * BLOCK_ROWS)
    writer.publish()
    whole, after = servers[0].client.sample(QUEUE_TABLE, 2, emit_timesteps=False)
    (second,) = servers[1].client.sample(QUEUE_TABLE, 1, emit_timesteps=False)
    assert [_queued(block) for block in (whole, after, second)] == [_turn(0), [16], _turn(1)]
    writer.close()


def _queued(block) -> list[int]:
    """Returns the numbers of the rows of a block."""
    rows = next(column for column in block.data if column.dtype == np.float32)
    used = next(int(column) for column in block.data if column.shape == ())
    return rows[:used, 0].astype(int).tolist()


def test_the_wait_names_the_server_that_has_no_room(windows, serve, make_writer):
    """The first server takes one turn, the second all."""
    limiter = lambda min_size_to_sample: reverb.rate_limiters.Queue(BLOCK_ROWS)  # noqa: E731
    (full,) = serve(windows, 1, rate_limiter=limiter)
    (other,) = serve(windows, 1)
    waited = []

    def wait(attempt, what: str) -> bool:
        if not attempt(1.0):
            waited.append(what)
        return True

    writer, _ = make_writer(windows, [full, other], wait=wait)
    add_numbered(writer, 0, 3 * BLOCK_ROWS)
    assert waited == [] and 3 * BLOCK_ROWS < PENDING_ITEMS
    writer.end_episodes()
    writer.publish()
    assert waited == [f"room in the replay at {full.client.server_address}"]
    wait_for_items([other], BLOCK_ROWS)
    wait_for_items([full], BLOCK_ROWS)


@pytest.mark.parametrize(("number", "parts"), [(9, [3, 3, 3]), (8, [2, 3, 3]), (256, [85, 85, 86])])
def test_each_server_has_an_even_share_of_every_batch(windows, serve, make_writer, number, parts):
    servers = serve(windows)
    for server, first in zip(servers, (0, 100, 200), strict=True):
        writer, _ = make_writer(windows, [server])
        add_numbered(writer, first, first + 20)
        writer.end_episodes()
        writer.publish()
    sampler = _sampler(windows, servers)
    sample = tf.function(lambda: sampler.draw(number), autograph=False)
    for _ in range(5):
        batch, info = sample()
        np.testing.assert_array_equal(batch.reward.numpy() // 100, np.repeat([0, 1, 2], parts))
        np.testing.assert_array_equal(batch.next_observation[:, 1], batch.reward + 1)
        assert info.key.shape == [number]
        assert set(info.table_size.numpy()) == {20}


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("frames", [1, 3])
def test_every_window_of_every_server_is_sampled(serve, make_writer, n, frames):
    """Here from all servers at once."""
    windows = Windows(game_spec(frames), DISCOUNT, None, n=n)
    servers = serve(windows)
    writer, _ = make_writer(windows, servers, num_environments=2)
    game = Game(n, 2, frames)
    game.play(writer, 3 * BLOCK_ROWS)
    writer.publish()
    assert drawn(_reader(windows, servers)) == game.transitions(n)


@pytest.mark.parametrize("environments", [1, 3])
def test_every_server_gives_goals_of_whole_episodes(serve, make_writer, environments):
    """With hindsight, an environment goes to the next server when an episode has ended."""
    hindsight = functools.partial(Hindsight, k=3)
    windows = Windows(goal_spec(), DISCOUNT, GameGoals(True), n=2, hindsight=hindsight)
    servers = serve(windows)
    writer, _ = make_writer(windows, servers, num_environments=environments)
    game = GoalGame(2, environments, 1)
    game.play(writer, 6 * BLOCK_ROWS)
    writer.end_episodes()
    game.end(range(environments))
    writer.publish()
    expected = sum(len(played.discounts) for played in game.episodes)
    wait_for_items(servers, expected)
    assert all(server.size(REPLAY_TABLE) > 1 for server in servers)
    found = drawn_goals(_reader(windows, servers), game, 2, terminates=True)
    assert len(found) == expected
    for first, goals in found.items():
        others = {goal for goal in goals if goal > 0}
        assert others and others <= reachable_goals(game, first, "future")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            PrioritizedSampler,
            "PrioritizedSampler draws from one server, and .* names 2: .* Give one",
        ),
        (ResidentSampler, "BatchReader.sampler=@ResidentSampler keeps a copy of every step"),
    ],
)
def test_a_sampler_of_one_server_raises_with_two(windows, serve, make, words):
    with pytest.raises(ConfigurationError, match=words):
        _sampler(windows, serve(windows, 2), make)
