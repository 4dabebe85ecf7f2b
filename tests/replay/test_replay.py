"""The replay of one process: samples, checkpoints, limits, and n-step rows."""

import functools
import socket

import numpy as np
import pytest
import reverb

from sac_tf.errors import ConfigurationError, RunError
from sac_tf.replay import samplers, tables, writer
from sac_tf.replay.samplers import ResidentSampler, ReverbSampler
from sac_tf.replay.tables import ReplayServer, make_tables
from sac_tf.replay.transitions import NStepRows
from tests.replay.numbered import CAPACITY, numbered_rows, sampled_numbers

_limiter = functools.partial(
    reverb.rate_limiters.SampleToInsertRatio, samples_per_insert=1.0, error_buffer=2.0
)


@pytest.mark.parametrize("sampler", [ResidentSampler, ReverbSampler])
@pytest.mark.parametrize("added", [7, CAPACITY, 250])
def test_all_of_the_newest_rows_are_sampled(make_replay, sampler, added):
    replay = make_replay(sampler=sampler)
    for first in range(0, added, 30):
        replay.add(numbered_rows(first, min(first + 30, added)), step=first)
    replay.publish()
    assert replay.rows_added == added
    assert replay.size == min(added, CAPACITY)
    assert set(sampled_numbers(replay)) == set(range(max(0, added - CAPACITY), added))


def test_draws_are_uniform(make_replay):
    """Each count has a standard deviation of 31.5; chi-square has mean 99 and standard deviation
    14."""
    replay = make_replay()
    replay.add(numbered_rows(0, CAPACITY), step=0)
    replay.publish()
    counts = np.bincount(sampled_numbers(replay, 100_000).astype(int), minlength=CAPACITY)
    expected = 1000
    assert 40 < np.sum((counts - expected) ** 2 / expected) < 200


def test_the_ring_keeps_the_order_of_the_rows(make_replay):
    replay = make_replay()
    generator = np.random.default_rng(0)
    oracle = np.zeros(CAPACITY)
    added = 0
    for _ in range(40):
        number = int(generator.integers(1, 12))
        replay.add(numbered_rows(added, added + number), step=added)
        if generator.random() < 0.5:
            replay.publish()
        for row in range(added, added + number):
            oracle[row % CAPACITY] = row
        added += number
    replay.publish()
    np.testing.assert_array_equal(replay._reader.sampler._rows[:, 0], oracle)


def test_rows_are_sampled_after_publish(make_replay):
    replay = make_replay()
    replay.add(numbered_rows(0, 5), step=0)
    replay.publish()
    replay.add(numbered_rows(5, 10), step=5)
    assert set(sampled_numbers(replay)) == set(range(5))
    replay.publish()
    assert set(sampled_numbers(replay)) == set(range(10))


def test_refresh_publishes_whole_blocks_or_the_first_rows(make_replay):
    replay = make_replay()
    replay.add(numbered_rows(0, 5), step=0)
    replay.refresh()
    assert set(sampled_numbers(replay)) == set(range(5))
    replay.add(numbered_rows(5, 5 + writer.BLOCK_ROWS + 3), step=5)
    replay.refresh()
    assert set(sampled_numbers(replay)) == set(range(5 + writer.BLOCK_ROWS))


@pytest.mark.parametrize("added", [30, 250])
def test_a_checkpoint_restores_both_tables_and_the_draws(make_replay, tmp_path, added):
    before = make_replay()
    before.add(numbered_rows(0, added), step=0)
    before.save(tmp_path / "saved")
    after = make_replay(restore_from=tmp_path / "saved")
    assert (after.rows_added, after.size) == (before.rows_added, before.size)
    np.testing.assert_array_equal(sampled_numbers(after, 50), sampled_numbers(before, 50))
    for replay in (before, after):
        replay.add(numbered_rows(added, added + 20), step=added)
        replay.publish()
    rings = [replay._reader.sampler._rows[: replay.size] for replay in (before, after)]
    np.testing.assert_array_equal(*rings)  # the rest of a ring has no values yet
    info = after._server.client.server_info(timeout=10)
    assert info["replay"].current_size == after.size
    assert info["queue"].current_size == 0


def test_a_checkpoint_without_its_rows_raises(make_replay, tmp_path):
    replay = make_replay()
    replay.add(numbered_rows(0, 30), step=0)
    replay.save(tmp_path / "saved")
    (tmp_path / "saved" / "reverb" / "DONE").unlink()  # Reverb then starts empty, without an error
    with pytest.raises((RunError, RuntimeError), match="0 of the 30 rows|DONE|checkpoint"):
        make_replay(restore_from=tmp_path / "saved")


def test_a_bad_row_is_not_stored(make_replay):
    replay = make_replay()
    bad = numbered_rows(0, 3)
    bad.reward[1] = np.nan
    with pytest.raises(RunError, match="nan in reward at step 9"):
        replay.add(bad, step=9)
    assert replay.rows_added == 0


def test_a_limiter_that_blocks_inserts_raises(make_replay, monkeypatch):
    monkeypatch.setattr(writer, "TIMEOUT_S", 1)
    replay = make_replay(sampler=ReverbSampler, rate_limiter=_limiter)
    with pytest.raises(
        RunError, match="Waited 1 s for room in the replay at .*a limiter that never blocks"
    ):
        for first in range(0, 50, 5):
            replay.add(numbered_rows(first, first + 5), step=first)
            replay.publish()


def test_an_empty_queue_raises_after_its_timeout(make_replay, monkeypatch):
    monkeypatch.setattr(samplers, "TIMEOUT_S", 1)
    replay = make_replay()
    with pytest.raises(RunError, match="queue gave no rows for 1 s"):
        replay._reader.sampler.synchronize(1)


def test_a_port_in_use_raises(tmp_path):
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} is in use"):
            ReplayServer(make_tables(3), tmp_path / "staging", None, port=port)


@pytest.mark.parametrize("port", [0, -1, 70_000, "80"])
def test_an_invalid_port_raises(tmp_path, port):
    with pytest.raises(ConfigurationError, match="ReplayServer.port must be"):
        ReplayServer(make_tables(3), tmp_path / "staging", None, port=port)


@pytest.mark.parametrize("settings", [{"capacity": -1}, {"capacity": 1e6}, {"minimum_size": 0}])
def test_a_table_size_that_is_not_a_count_raises(settings):
    words = f"tables.{next(iter(settings))} must be an integer"
    with pytest.raises(ConfigurationError, match=words):
        make_tables(3, **settings)


def test_selectors_of_the_replay_table():
    table = make_tables(3, sampler=tables.Lifo, remover=tables.Lifo)[0]
    assert table.info.sampler_options.lifo
    assert table.info.remover_options.lifo
    assert make_tables(3)[0].info.sampler_options.uniform


@pytest.mark.parametrize(
    ("setting", "settings"),
    [
        ("tables.sampler", {"selector": tables.Lifo}),
        ("tables.remover", {"remover": tables.Lifo}),
        ("tables.minimum_size", {"minimum_size": 2}),
        ("tables.rate_limiter", {"rate_limiter": _limiter}),
    ],
)
def test_settings_of_a_table_that_is_not_sampled_raise(make_replay, setting, settings):
    """`ResidentSampler` samples its own copy of the rows; `ReverbSampler` samples the table."""
    with pytest.raises(ConfigurationError, match=f"{setting} has no effect: ResidentSampler"):
        make_replay(**settings)
    make_replay(sampler=ReverbSampler, **settings)


@pytest.mark.parametrize("episode", [7, 1000])
def test_n_step_rows_are_counted_when_stored_and_none_is_lost(make_replay, tmp_path, episode):
    """Two periods with a NaN between them, past the capacity: one row for each transition, in
    order; the last rows of a period have its last successor."""
    replay = make_replay(rows=functools.partial(NStepRows, n=3))
    for number in range(130):
        ended = [0] if number % episode == episode - 1 else []
        replay.add(numbered_rows(number, number + 1), number, ended)
    assert replay.rows_added == 128
    bad = numbered_rows(130, 131)
    bad.reward[0] = np.nan
    with pytest.raises(RunError, match="nan in reward at step 131"):
        replay.add(bad, step=131)
    replay.save(tmp_path / "first")
    assert replay.rows_added == 130
    assert replay._server.size() == CAPACITY
    replay.add(numbered_rows(200, 201), step=132)
    replay.save(tmp_path / "second")
    assert replay.rows_added == 131
    assert replay.size == CAPACITY
    ring = replay._reader.sampler._rows.numpy()
    starts = np.roll(ring, -(131 % CAPACITY), axis=0)[:, 0]
    np.testing.assert_array_equal(starts, [*range(130), 200][-CAPACITY:])
    assert ring[30, -1] == 201
    assert ring[29, -1] == ring[28, -1] == 130
