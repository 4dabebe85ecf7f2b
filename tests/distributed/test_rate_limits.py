"""Rate limits by hand, and in Reverb's own checkpoints."""

import pytest
import reverb

from sac_tf.distributed.rate_limits import free_ratio, held_ratio
from sac_tf.distributed.waiting import with_timeout
from sac_tf.errors import ConfigurationError
from sac_tf.pinned.reverb_checkpoint import adapt_checkpoint
from sac_tf.replay.tables import Prioritized, make_tables
from tests.distributed.served import (
    WINDOWS,
    insert_rows,
    make_run_tables,
    make_windows,
    replay_info,
    sample_rows,
)
from tests.waiting import eventually

INSERTED = 7
SAMPLED = 5


def _limits(info) -> tuple[float, ...]:
    limiter = info.rate_limiter_info
    return (
        limiter.samples_per_insert,
        limiter.min_size_to_sample,
        limiter.min_diff,
        limiter.max_diff,
    )


def _counts(info) -> tuple[int, int]:
    limiter = info.rate_limiter_info
    return limiter.insert_stats.completed, limiter.sample_stats.completed


@pytest.fixture
def saved(serve, tmp_path):
    """A checkpoint of a server with a rate limit: 7 rows inserted, 5 sampled."""
    server = serve(held_ratio(4.0, 3, tolerance_rows=5))
    insert_rows(server.client, INSERTED)
    sample_rows(server.client, SAMPLED)
    server.checkpoint(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.mark.parametrize(
    ("samples", "minimum", "tolerance", "min_diff", "max_diff"),
    [
        (512.0, 1000, 200, 409_600, 614_400),  # 512 * 1000 -+ 200 * 512
        (4.0, 3, 5, -8, 32),
        (0.125, 80, 16, 8, 12),  # 10 -+ 2
        (0.125, 80, 1, 9, 11),  # 10 -+ 1: the narrowest that Reverb takes
    ],
)
def test_held_ratio_by_hand(samples, minimum, tolerance, min_diff, max_diff):
    table = make_run_tables(WINDOWS, held_ratio(samples, minimum, tolerance))[0]
    assert _limits(table.info) == (samples, minimum, min_diff, max_diff)


def test_held_ratio_lets_neither_side_run_ahead(serve):
    """4 samples per row after the first 3, tolerance 2: 3 + 2 rows may be inserted before a sample,
    and allow (2 + 2) * 4 samples."""
    server = serve(held_ratio(4.0, 3, tolerance_rows=2))
    insert_rows(server.client, 5)
    with pytest.raises(reverb.errors.DeadlineExceededError):
        insert_rows(server.client, 1, timeout_ms=100)
    sample_rows(server.client, 16)
    # The row that waited is inserted now, and allows 4 more samples.
    eventually(lambda: _counts(replay_info(server)) == (6, 16))
    with pytest.raises(TimeoutError):
        with_timeout(lambda: sample_rows(server.client, 5), 0.2)
    eventually(lambda: _counts(replay_info(server)) == (6, 20))


def test_free_ratio_never_blocks(serve):
    server = serve(free_ratio(4.0, 3))
    insert_rows(server.client, 90)
    sample_rows(server.client, 2)
    sample_rows(server.client, 700)
    assert replay_info(server).rate_limiter_info.min_size_to_sample == 3


@pytest.mark.parametrize("tolerance", [0, -1, 1.5])
def test_invalid_tolerance_raises(tolerance):
    words = "held_ratio.tolerance_rows must be an integer of at least 1"
    with pytest.raises(ConfigurationError, match=words):
        held_ratio(4.0, 3, tolerance)


def test_reverb_restores_the_limits_of_the_checkpoint(serve, saved):
    """The reason for `adapt_checkpoint`."""
    limiter = held_ratio(8.0, 2, tolerance_rows=10)
    restored = replay_info(serve(limiter, saved, capacity=50, sampler=Prioritized))
    assert _limits(restored) == (4, 3, -8, 32)
    assert restored.max_size == 100 and restored.sampler_options.uniform


def test_adapted_checkpoint_has_new_limits_and_capacity(serve, saved):
    wanted = {"capacity": 50, "sampler": Prioritized}
    limiter = held_ratio(8.0, 2, tolerance_rows=10)
    changes = adapt_checkpoint(saved, make_run_tables(WINDOWS, limiter, **wanted))
    assert changes == [
        "New limits of the table 'replay': samples_per_insert 4 -> 8, min_diff -8 -> -64, "
        "max_diff 32 -> 96, min_size_to_sample 3 -> 2, capacity 100 -> 50, uniform: true -> "
        "prioritized { priority_exponent: 0.6 }."
    ]
    server = serve(limiter, saved, **wanted)
    info = replay_info(server)
    assert _limits(info) == (8, 2, -64, 96)
    assert info.max_size == 50 and info.current_size == INSERTED
    assert info.sampler_options.prioritized.priority_exponent == 0.6
    assert _counts(info) == (INSERTED, 40)  # (7 - 2) * 8: neither side is ahead
    insert_rows(server.client, 10)
    with pytest.raises(reverb.errors.DeadlineExceededError):  # the tolerance is 10 rows
        insert_rows(server.client, 1, timeout_ms=100)


def test_equal_configuration_leaves_the_checkpoint_alone(serve, saved):
    before = (saved / "tables.tfrecord").read_bytes()
    tables = make_run_tables(WINDOWS, held_ratio(4.0, 3, tolerance_rows=5))
    assert adapt_checkpoint(saved, tables) == []
    info = replay_info(serve(free_ratio(1.0, 1), saved))
    assert _limits(info) == (4, 3, -8, 32) and _counts(info) == (INSERTED, SAMPLED)
    assert (saved / "tables.tfrecord").read_bytes() == before


def test_new_capacity_leaves_the_counts_alone(serve, saved):
    limiter = held_ratio(4.0, 3, tolerance_rows=5)
    changes = adapt_checkpoint(saved, make_run_tables(WINDOWS, limiter, capacity=INSERTED))
    assert changes == ["New limits of the table 'replay': capacity 100 -> 7."]
    server = serve(free_ratio(1.0, 1), saved)
    assert _counts(replay_info(server)) == (INSERTED, SAMPLED)
    insert_rows(server.client, 1)
    assert replay_info(server).current_size == INSERTED  # the oldest row was removed


def test_no_sample_is_due_before_the_minimum(serve, saved):
    adapt_checkpoint(saved, make_run_tables(WINDOWS, held_ratio(8.0, 20)))
    assert _counts(replay_info(serve(free_ratio(1.0, 1), saved))) == (INSERTED, 0)


def test_held_becomes_free_and_held_again(serve, saved):
    adapt_checkpoint(saved, make_run_tables(WINDOWS, free_ratio(4.0, 3)))
    assert _limits(replay_info(serve(held_ratio(4.0, 3), saved)))[:2] == (1, 3)
    tables = make_run_tables(WINDOWS, held_ratio(4.0, 3, tolerance_rows=5))
    changes = adapt_checkpoint(saved, tables)
    assert len(changes) == 1 and "samples_per_insert 1 -> 4" in changes[0]
    info = replay_info(serve(free_ratio(1.0, 1), saved))
    assert _limits(info) == (4, 3, -8, 32) and _counts(info) == (INSERTED, 16)  # (7 - 3) * 4


def test_removed_rows_need_no_capacity(serve, tmp_path):
    server = serve(free_ratio(1.0, 1), capacity=4)
    insert_rows(server.client, 10)
    server.checkpoint(tmp_path / "saved")
    tables = make_run_tables(WINDOWS, free_ratio(1.0, 1), capacity=5)
    assert len(adapt_checkpoint(tmp_path / "saved", tables)) == 1
    info = replay_info(serve(restore_from=tmp_path / "saved"))
    assert info.current_size == 4 and info.max_size == 5 and _counts(info)[0] == 10


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda limiter: make_run_tables(WINDOWS, limiter, capacity=6),
            "has 7 rows .* tables.capacity=6 keeps fewer",
        ),
        (
            lambda limiter: make_run_tables(make_windows(observations=4), limiter),
            "rows of another task in the table 'replay' .*new --root_dir",
        ),
        (
            lambda limiter: make_run_tables(make_windows(n=3), limiter),
            "rows of another task in the table 'replay' .*new --root_dir",
        ),
        (
            lambda limiter: make_run_tables(WINDOWS, limiter)[:-1],
            "has other tables than this server; use a new",
        ),
        (lambda limiter: make_tables(WINDOWS), "has other tables than this server; use a new"),
    ],
)
def test_checkpoint_that_does_not_fit_raises(saved, make, words):
    """And is unchanged."""
    before = (saved / "tables.tfrecord").read_bytes()
    with pytest.raises(ConfigurationError, match=words):
        adapt_checkpoint(saved, make(held_ratio(8.0, 3)))
    assert (saved / "tables.tfrecord").read_bytes() == before
