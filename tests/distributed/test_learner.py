"""What a learner makes of the boards of its servers; whole learners are in test_processes.py and
test_faults.py."""

import pytest

from sac_tf.distributed import messages, server_progress
from sac_tf.distributed.messages import BOARD_TABLE, send
from tests.distributed.served import Clock


@pytest.fixture
def servers(serve, monkeypatch):
    """A function that changes the boards of two servers, and one that makes what a learner of 1,000
    steps knows."""
    clients = [serve().client, serve().client]
    clock = Clock()
    monkeypatch.setattr(messages, "time", clock)
    monkeypatch.setattr(server_progress, "Repeating", lambda *_: None)

    def show(number, inserted, sampled, gone=0, later=1.0):
        clock.now += later
        rows = {"inserted": inserted, "sampled": sampled, "kept": inserted}
        facts = {"rows_gone": gone, "minimum_rows": 50, "samples_per_insert": 4.0, "processes": {}}
        send(clients[number], BOARD_TABLE, {**facts, "rows": rows})

    def make(steps=0):
        return server_progress.ServerProgress(clients, 1000, steps)

    return show, make


def test_a_run_is_complete_when_all_steps_are_done_and_all_samples_of_them_given(servers):
    """2 x 50 rows are there before learning: 900 rows of 4 samples."""
    show, make = servers
    for inserted, sampled, is_complete in (
        (499, 2000, False),
        (500, 1799, False),
        (500, 1800, True),
        (510, 1800, True),
    ):
        show(0, inserted, sampled)
        show(1, inserted, sampled)
        known = make()
        assert (known.steps, known.kept, known.is_complete) == (
            2 * inserted,
            2 * inserted,
            is_complete,
        )


def test_steps_count_what_a_server_lost_also_without_its_folder(servers):
    show, make = servers
    show(0, 400, 1000)
    show(1, 400, 1000)
    known = make()
    show(1, 300, 700, gone=100)  # it says what it lost
    known._read()
    assert known.steps == 800
    show(0, 0, 0)  # it knows of nothing
    known._read()
    show(0, 30, 0)
    known._read()
    assert (known.steps, known.kept, known.is_complete) == (830, 330, False)
    show(0, 200, 700)  # 1000 steps, of which 400 + 100 + 100 gave no samples here: 400 rows of 4
    known._read()
    assert (known.steps, known.is_complete) == (1000, False)
    show(0, 200, 900)
    known._read()
    assert known.is_complete
    assert make(steps=1200).steps == 1200  # a learner that comes back knows more than they


def test_the_board_that_a_checkpoint_brings_back_is_not_believed(servers):
    show, make = servers
    show(0, 400, 0)
    show(1, 400, 0)
    known = make()
    show(0, 100, 0, later=-60.0)
    known._read()
    assert known.steps == 800
    show(0, 350, 0, gone=50, later=120.0)
    known._read()
    assert known.steps == 800
