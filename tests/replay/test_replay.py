"""The replay of one process: what is sampled when, checkpoints, limits, and bad values."""

import functools
import socket
import time

import numpy as np
import pytest
import reverb
import tensorflow as tf

from sac_tf.errors import ConfigurationError, RunError
from sac_tf.replay import resident, streams, tables, writer
from sac_tf.replay.resident import ResidentSampler
from sac_tf.replay.samplers import ReverbSampler
from sac_tf.replay.tables import (
    ReplayServer,
    items_of,
    make_tables,
    rows_of_segment,
    segments_kept,
)
from sac_tf.replay.windows import Windows
from tests.replay.numbered import CAPACITY, add_numbered, numbered, sampled_numbers
from tests.sources import row_sampler

_limiter = functools.partial(
    reverb.rate_limiters.SampleToInsertRatio, samples_per_insert=1.0, error_buffer=2.0
)
KEPT = 112
"""Rows of the 7 segments of a ring with a capacity of 100."""


@pytest.mark.parametrize("added", [7, 100, 250])
def test_reverb_samples_all_of_the_newest_transitions(make_replay, added):
    replay = make_replay(sampler=ReverbSampler)
    add_numbered(replay, 0, added)
    replay.publish()
    complete = added - 1  # the last observation is stored with the next step
    assert replay.size == min(complete, CAPACITY)
    assert set(sampled_numbers(replay)) == set(range(max(0, complete - CAPACITY), complete))


def test_the_first_batch_is_drawn_when_it_is_asked_for(make_replay):
    """From all steps, not ahead from the first ones. The chance that 100 draws from 80 steps have
    only the first 20 is 1e-60."""
    replay = make_replay(sampler=ReverbSampler)
    draw = row_sampler(replay, 100)
    traced = draw.get_concrete_function()
    add_numbered(replay, 0, 20)
    replay.publish()
    time.sleep(0.5)  # a sampler that draws ahead has drawn by then
    add_numbered(replay, 20, 80)
    replay.publish()
    assert traced().reward.numpy().max() >= 20


@pytest.mark.parametrize("added", [7, 100, KEPT, 250])
def test_the_ring_has_all_transitions_of_the_newest_segments(make_replay, added):
    """Segments have 16 rows; the present one counts as a whole."""
    replay = make_replay()
    add_numbered(replay, 0, added)
    replay.publish()
    assert replay.size == min(added - 1, CAPACITY)
    oldest = max(0, -(-added // 16) - 7) * 16
    assert set(sampled_numbers(replay)) == set(range(oldest, added - 1))


def test_no_iterator_waits_for_the_tuner_of_tf_data():
    """The tuner sleeps for up to a minute, and an iterator ends with it."""
    columns = {"number": tf.TensorSpec([3], tf.float32)}
    items = items_of("localhost:1", "items", columns, max_in_flight_samples_per_worker=1)
    assert items.batch(2).prefetch(1).options().autotune.enabled is False


@pytest.mark.parametrize(
    ("capacity", "rows", "kept"),
    [(1, 16, 2), (100, 16, 7), (5_000, 64, 79), (1_000_000, 128, 7_813)],
)
def test_segments_of_a_capacity(capacity, rows, kept):
    assert (rows_of_segment(capacity), segments_kept(capacity)) == (rows, kept)


def test_a_final_observation_is_stored_once_and_is_no_transition(make_replay):
    """Two episodes of 3 steps and one of 1: 7 transitions in 10 rows."""
    replay = make_replay()
    for number in range(7):
        replay.add(numbered(number), number, ended=[0] if number in (2, 5, 6) else [])
    replay.publish()
    assert replay.size == 7
    assert replay._reader.sampler.rows_kept == 10
    assert set(sampled_numbers(replay)) == set(range(7))


def test_steps_are_sampled_after_publish(make_replay):
    replay = make_replay()
    add_numbered(replay, 0, 6)
    replay.publish()
    add_numbered(replay, 6, 11)
    assert set(sampled_numbers(replay)) == set(range(5))
    replay.publish()
    assert set(sampled_numbers(replay)) == set(range(10))


def test_refresh_publishes_whole_blocks_or_the_first_steps(make_replay):
    replay = make_replay()
    add_numbered(replay, 0, 5)
    replay.refresh()
    assert set(sampled_numbers(replay)) == set(range(4))
    # A block of 16 rows from the fifth on, and three more; the eleventh ends a segment.
    add_numbered(replay, 5, 5 + 11 + streams.BLOCK_ROWS + 3)
    replay.refresh()
    assert set(sampled_numbers(replay)) == set(range(5 + 11 + streams.BLOCK_ROWS - 1))


@pytest.mark.parametrize("sampler", [ResidentSampler, ReverbSampler])
@pytest.mark.parametrize("added", [30, 250])
def test_a_checkpoint_restores_the_tables_and_the_draws(make_replay, tmp_path, sampler, added):
    before = make_replay(sampler=sampler)
    add_numbered(before, 0, added)
    before.save(tmp_path / "saved")
    after = make_replay(restore_from=tmp_path / "saved", sampler=sampler)
    assert after.size == before.size == min(added, CAPACITY)
    assert set(sampled_numbers(after)) == set(sampled_numbers(before))
    for replay in (before, after):
        add_numbered(replay, added, added + 20)
        replay.publish()
    assert set(sampled_numbers(after)) == set(sampled_numbers(before))
    assert max(sampled_numbers(after)) == added + 18
    found = [
        {name: table.current_size for name, table in info.items()}
        for info in (replay._server.client.server_info(timeout=10) for replay in (before, after))
    ]
    assert found[0] == found[1] and found[1]["queue"] == 0


@pytest.mark.parametrize("sampler", [ResidentSampler, ReverbSampler])
def test_a_checkpoint_waits_for_what_reverb_has_only_confirmed(
    make_replay, tmp_path, monkeypatch, sampler
):
    """On a loaded machine the server counts the last items some time after it confirmed them."""
    make_replay(sampler=sampler).save(tmp_path / "empty")
    replay = make_replay(restore_from=tmp_path / "empty", sampler=sampler)
    inserted = ReplayServer.inserted
    behind = iter([2, 1])
    written = []
    checkpoint = ReplayServer.checkpoint

    def count_late(self, table):
        return inserted(self, table) - next(behind, 0)

    def note(self, destination):
        written.append(next(behind, None))
        checkpoint(self, destination)

    monkeypatch.setattr(ReplayServer, "inserted", count_late)
    monkeypatch.setattr(ReplayServer, "checkpoint", note)
    add_numbered(replay, 0, 30)
    replay.save(tmp_path / "saved")
    assert written == [None]  # both counts were read before
    monkeypatch.setattr(ReplayServer, "inserted", lambda self, table: 0)
    monkeypatch.setattr("sac_tf.replay.replay.TIMEOUT_S", 0.1)
    with pytest.raises(RunError, match=r"has taken 0 of \d+ items after 0.1 s"):
        replay.save(tmp_path / "late")


def test_a_checkpoint_before_the_first_step_restores(make_replay, tmp_path):
    """A task that fails at once leaves one."""
    make_replay().save(tmp_path / "saved")
    after = make_replay(restore_from=tmp_path / "saved")
    add_numbered(after, 0, 30)
    after.publish()
    assert set(sampled_numbers(after)) == set(range(29))


def test_the_draws_of_a_restored_replay_are_the_same(make_replay, tmp_path):
    before = make_replay()
    add_numbered(before, 0, 250)
    before.save(tmp_path / "saved")
    after = make_replay(restore_from=tmp_path / "saved")
    np.testing.assert_array_equal(sampled_numbers(after, 50), sampled_numbers(before, 50))


def test_a_checkpoint_has_every_row_once(make_replay, tmp_path):
    """Of 5,000 steps with 13 random numbers, of which 12 are observed again as successors."""
    replay = make_replay(capacity=5000)
    generator = np.random.default_rng(0)
    for number in range(5000):
        observation = generator.normal(size=(1, 3)).astype(np.float32)
        replay.add(numbered(number)._replace(observation=observation), number)
    replay.save(tmp_path / "saved")
    written = sum(file.stat().st_size for file in (tmp_path / "saved").rglob("*"))
    assert written < 5000 * 8 * 4


def test_a_checkpoint_without_its_rows_raises(make_replay, tmp_path):
    replay = make_replay()
    add_numbered(replay, 0, 30)
    replay.save(tmp_path / "saved")
    (tmp_path / "saved" / "reverb" / "DONE").unlink()  # Reverb then starts empty, without an error
    with pytest.raises((RunError, RuntimeError), match="0 of the 31 steps|DONE|checkpoint"):
        make_replay(restore_from=tmp_path / "saved")


@pytest.mark.parametrize("field", ["observation", "action", "reward", "next_observation"])
def test_a_bad_value_is_not_stored(make_replay, field):
    replay = make_replay()
    bad = numbered(1)
    getattr(bad, field)[0] = np.nan
    with pytest.raises(RunError, match=f"nan in {field} at step 9; the step was not stored"):
        replay.add(bad, step=9)
    assert replay.size == 0
    replay.end_episodes()
    assert replay._reader.sampler.rows_kept == 0


def test_a_limiter_that_blocks_inserts_raises(make_replay, monkeypatch):
    monkeypatch.setattr(writer, "TIMEOUT_S", 1)
    replay = make_replay(sampler=ReverbSampler, rate_limiter=_limiter)
    with pytest.raises(
        RunError, match="Waited 1 s for room in the replay at .*a limiter that never blocks"
    ):
        for first in range(0, 50, 5):
            add_numbered(replay, first, first + 5)
            replay.publish()


def test_an_empty_queue_raises_after_its_timeout(make_replay, monkeypatch):
    monkeypatch.setattr(resident, "TIMEOUT_S", 1)
    replay = make_replay()
    with pytest.raises(RunError, match="queue gave no steps for 1 s"):
        replay._reader.sampler.synchronize(rows=1, transitions=1)


def test_a_port_in_use_raises(spec, tmp_path):
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} is in use"):
            ReplayServer(
                make_tables(Windows(spec, 0.99, None)), tmp_path / "staging", None, port=port
            )


@pytest.mark.parametrize("port", [0, -1, 70_000, "80"])
def test_an_invalid_port_raises(spec, tmp_path, port):
    with pytest.raises(ConfigurationError, match="ReplayServer.port must be"):
        ReplayServer(make_tables(Windows(spec, 0.99, None)), tmp_path / "staging", None, port=port)


@pytest.mark.parametrize("settings", [{"capacity": -1}, {"capacity": 1e6}, {"minimum_size": 0}])
def test_a_table_size_that_is_not_a_count_raises(spec, settings):
    words = f"tables.{next(iter(settings))} must be an integer"
    with pytest.raises(ConfigurationError, match=words):
        make_tables(Windows(spec, 0.99, None), **settings)


def test_selectors_of_the_replay_table(spec):
    windows = Windows(spec, 0.99, None)
    table = make_tables(windows, sampler=tables.Lifo, remover=tables.Lifo)[0]
    assert table.info.sampler_options.lifo
    assert table.info.remover_options.lifo
    assert make_tables(windows)[0].info.sampler_options.uniform


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
    """`ResidentSampler` samples its own copy of the steps; `ReverbSampler` samples the table."""
    with pytest.raises(ConfigurationError, match=f"{setting} has no effect: ResidentSampler"):
        make_replay(**settings)
    make_replay(sampler=ReverbSampler, **settings)
