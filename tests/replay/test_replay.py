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
from tests.replay.numbered import CAPACITY, drawn_numbers, numbered_rows


@pytest.mark.parametrize("sampler", [ResidentSampler, ReverbSampler])
@pytest.mark.parametrize("added", [7, CAPACITY, 250])
def test_samples_are_the_newest_rows_and_all_of_them(make_replay, sampler, added):
    replay = make_replay(sampler=sampler)
    for first in range(0, added, 30):
        replay.add(numbered_rows(first, min(first + 30, added)), step=first)
    replay.publish()
    assert replay.rows_added == added and replay.size == min(added, CAPACITY)
    assert set(drawn_numbers(replay)) == set(range(max(0, added - CAPACITY), added))


def test_draws_are_uniform(make_replay):
    replay = make_replay()
    replay.add(numbered_rows(0, CAPACITY), step=0)
    replay.publish()
    counts = np.bincount(drawn_numbers(replay, 100_000).astype(int), minlength=CAPACITY)
    expected = (
        1000  # with a standard deviation of 31.5; chi-square has mean 99 and standard deviation 14
    )
    assert 40 < np.sum((counts - expected) ** 2 / expected) < 200


def test_ring_holds_the_rows_in_their_order(make_replay):
    replay = make_replay()
    generator, oracle, added = np.random.default_rng(0), np.zeros(CAPACITY), 0
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


def test_rows_wait_for_publish(make_replay):
    replay = make_replay()
    replay.add(numbered_rows(0, 5), step=0)
    replay.publish()
    replay.add(numbered_rows(5, 10), step=5)
    assert set(drawn_numbers(replay)) == set(range(5))
    replay.publish()
    assert set(drawn_numbers(replay)) == set(range(10))


def test_refresh_shows_whole_blocks_but_never_nothing(make_replay):
    replay = make_replay()
    replay.add(numbered_rows(0, 5), step=0)
    replay.refresh()
    assert set(drawn_numbers(replay)) == set(range(5))
    replay.add(numbered_rows(5, 5 + writer.BLOCK_ROWS + 3), step=5)
    replay.refresh()
    assert set(drawn_numbers(replay)) == set(range(5 + writer.BLOCK_ROWS))


@pytest.mark.parametrize("added", [30, 250])
def test_a_checkpoint_brings_back_both_tables_and_the_draws(make_replay, tmp_path, added):
    before = make_replay()
    before.add(numbered_rows(0, added), step=0)
    before.save(tmp_path / "saved")
    after = make_replay(restore_from=tmp_path / "saved")
    after.restore(tmp_path / "saved")
    assert (after.rows_added, after.size) == (before.rows_added, before.size)
    np.testing.assert_array_equal(drawn_numbers(after, 50), drawn_numbers(before, 50))
    for replay in (before, after):
        replay.add(numbered_rows(added, added + 20), step=added)
        replay.publish()
    np.testing.assert_array_equal(after._reader.sampler._rows, before._reader.sampler._rows)
    info = after._server.client.server_info(timeout=10)
    assert info["replay"].current_size == after.size and info["queue"].current_size == 0


def test_a_checkpoint_with_rows_missing_is_refused(make_replay, tmp_path):
    replay = make_replay()
    replay.add(numbered_rows(0, 30), step=0)
    replay.save(tmp_path / "saved")
    (tmp_path / "saved" / "reverb" / "DONE").unlink()  # Reverb then starts empty and says nothing
    with pytest.raises((RunError, RuntimeError), match="0 of the 30 rows|DONE|checkpoint"):
        make_replay(restore_from=tmp_path / "saved").restore(tmp_path / "saved")


def test_a_bad_row_is_not_stored(make_replay):
    replay = make_replay()
    bad = numbered_rows(0, 3)
    bad.reward[1] = np.nan
    with pytest.raises(RunError, match="nan in reward at step 9"):
        replay.add(bad, step=9)
    assert replay.rows_added == 0


def test_a_limiter_that_blocks_inserts_is_an_error_and_not_a_hang(make_replay, monkeypatch):
    monkeypatch.setattr(writer, "TIMEOUT_S", 1)
    limiter = functools.partial(
        reverb.rate_limiters.SampleToInsertRatio, samples_per_insert=1.0, error_buffer=2.0
    )
    replay = make_replay(rate_limiter=limiter)
    with pytest.raises(
        RunError, match="Waited 1 s for room in the replay at .*a limiter that never blocks"
    ):
        for first in range(0, 50, 5):
            replay.add(numbered_rows(first, first + 5), step=first)
            replay.publish()


def test_an_empty_queue_is_an_error_and_not_a_hang(make_replay, monkeypatch):
    monkeypatch.setattr(samplers, "TIMEOUT_S", 1)
    replay = make_replay()
    with pytest.raises(RunError, match="queue gave no rows for 1 s"):
        replay._reader.sampler.receive(1)


def test_a_port_in_use_is_refused(tmp_path):
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} is in use"):
            ReplayServer(make_tables(3), tmp_path / "staging", port=port)


@pytest.mark.parametrize("port", [0, -1, 70_000, "80"])
def test_what_is_no_port_is_refused(tmp_path, port):
    with pytest.raises(ConfigurationError, match="ReplayServer.port must be"):
        ReplayServer(make_tables(3), tmp_path / "staging", port=port)


@pytest.mark.parametrize("settings", [{"capacity": -1}, {"capacity": 1e6}, {"minimum_size": 0}])
def test_table_sizes_must_be_counts(settings):
    with pytest.raises(
        ConfigurationError, match=f"make_tables.{next(iter(settings))} must be an integer"
    ):
        make_tables(3, **settings)


def test_the_selectors_are_the_ones_asked_for():
    table = make_tables(3, sampler=tables.Lifo, remover=tables.Lifo)[0]
    assert table.info.sampler_options.lifo and table.info.remover_options.lifo
    assert make_tables(3)[0].info.sampler_options.uniform


@pytest.mark.parametrize("episode", [7, 1000])
def test_late_rows_are_counted_when_they_come_and_none_is_lost(make_replay, tmp_path, episode):
    """Two periods and a bad row between, past the capacity: one row for each transition, in their
    order."""
    replay = make_replay(rows=functools.partial(NStepRows, gamma=0.5, n=3))
    for number in range(130):
        replay.add(
            numbered_rows(number, number + 1),
            number,
            ended=[0] if number % episode == episode - 1 else [],
        )
    assert replay.rows_added == 128
    bad = numbered_rows(130, 131)
    bad.reward[0] = np.nan
    with pytest.raises(RunError, match="nan in reward at step 131"):
        replay.add(bad, step=131)
    replay.save(tmp_path / "first")
    assert replay.rows_added == 130 and replay._server.size() == CAPACITY
    replay.add(numbered_rows(200, 201), step=132)
    replay.save(tmp_path / "second")
    numbers = [*range(130), 200]
    ring = replay._reader.sampler._rows.numpy()
    assert (replay.rows_added, replay.size) == (131, CAPACITY)
    starts = np.roll(ring, -(131 % CAPACITY), axis=0)[:, 0]
    np.testing.assert_array_equal(starts, numbers[-CAPACITY:])
    assert (
        ring[30, -1] == 201 and ring[29, -1] == ring[28, -1] == 130
    )  # the last successor of its period
