"""Progress from the statuses of two servers; whole learners are in test_processes.py and
test_faults.py."""

import pytest

from sac_tf.distributed import server_progress
from sac_tf.distributed.messages import STATUS_TABLE, send
from sac_tf.types import Episode


@pytest.fixture
def servers(serve, monkeypatch):
    """A function that publishes the status of a server, one that withdraws it, and one that makes
    the progress of a run of 1,000 steps."""
    clients = [serve().client, serve().client]
    monkeypatch.setattr(server_progress, "PeriodicCall", lambda *_: None)

    def publish(number, inserted, sampled, gone=0):
        rows = {"inserted": inserted, "sampled": sampled, "kept": inserted}
        facts = {"rows_gone": gone, "minimum_rows": 50, "samples_per_insert": 4.0, "processes": {}}
        send(clients[number], STATUS_TABLE, {**facts, "rows": rows})

    def withdraw(number):
        clients[number].reset(STATUS_TABLE)

    def make(steps=0):
        return server_progress.ServerProgress(clients, total_steps=1000, steps=steps)

    return publish, withdraw, make


@pytest.mark.parametrize(
    ("inserted", "sampled", "is_complete"),
    [(499, 2000, False), (500, 1799, False), (500, 1800, True), (510, 1800, True)],
)
def test_run_is_complete_after_all_steps_and_samples(servers, inserted, sampled, is_complete):
    """Learning starts after 2 x 50 rows: 900 rows, each sampled 4 times."""
    publish, _, make = servers
    publish(0, inserted, sampled)
    publish(1, inserted, sampled)
    progress = make()
    known = (progress.steps, progress.kept, progress.is_complete)
    assert known == (2 * inserted, 2 * inserted, is_complete)


def test_lost_rows_stay_counted_as_steps(servers):
    publish, _, make = servers
    publish(0, 400, 1000)
    publish(1, 400, 1000)
    progress = make()
    publish(1, 300, 700, gone=100)  # restarted with its folder
    progress._fetch()
    assert progress.steps == 800
    publish(0, 0, 0)  # restarted without its folder
    progress._fetch()
    publish(0, 30, 0)
    progress._fetch()
    assert (progress.steps, progress.kept, progress.is_complete) == (830, 330, False)
    # 1,000 steps, 400 + 100 + 100 of them without samples here: 400 rows, each sampled 4 times.
    publish(0, 200, 700)
    progress._fetch()
    assert (progress.steps, progress.is_complete) == (1000, False)
    publish(0, 200, 900)
    progress._fetch()
    assert progress.is_complete


def test_resumed_learner_keeps_its_own_steps(servers):
    publish, _, make = servers
    publish(0, 200, 900)
    publish(1, 300, 700)
    assert make(steps=1200).steps == 1200


def test_missing_status_changes_nothing(servers):
    """A server that restarts, or writes a checkpoint, publishes no status."""
    publish, withdraw, make = servers
    publish(0, 400, 0)
    progress = make(steps=600)
    assert (progress.steps, progress.kept, progress.is_complete) == (600, 0, False)
    publish(1, 400, 0)
    progress._fetch()
    withdraw(0)
    progress._fetch()
    assert (progress.steps, progress.kept) == (800, 800)
    publish(0, 350, 0, gone=50)
    progress._fetch()
    assert progress.steps == 800


def test_the_newest_episode_of_each_collector_has_its_success(servers):
    publish, _, make = servers
    publish(0, 400, 0)
    publish(1, 400, 0)
    progress = make()
    beat = {"kind": "collector", "steps": 10, "last_return": 3.0, "last_length": 5}
    progress._processes = {
        "collector a": {
            **beat,
            "last_info": {"is_success": 0.0},
            "last_largest": {"is_success": 1.0},
        },
        "collector b": {**beat, "last_return": None},
        "learner": {"kind": "learner"},
    }
    assert progress.finished_episodes() == [
        Episode(3.0, 5, 0, {"is_success": 0.0}, {"is_success": 1.0})
    ]
    assert progress.finished_episodes() == []
