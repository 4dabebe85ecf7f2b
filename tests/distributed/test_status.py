import pytest
import tensorflow as tf

from sac_tf.distributed import status
from sac_tf.distributed.messages import HEARTBEAT_TABLE, STATUS_TABLE, receive, send
from sac_tf.distributed.status import RunStatus, all_lines, counts, one_line, send_heartbeats
from tests.distributed.served import Clock, insert_rows, sample_rows
from tests.waiting import eventually

LEARNER = {
    "kind": "learner",
    "updates": 12_000,
    "updates_per_second": 99.6,
    "waiting_for": None,
    "received": 9997.0,
}
COLLECTOR = {
    "kind": "collector",
    "steps": 5000,
    "last_return": -301.26,
    "waiting_for": None,
    "received": 9999.0,
    "policy_updates": 11_900,
    "policy_age": 2.2,
}
WAITING = {
    "kind": "collector",
    "steps": 0,
    "last_return": None,
    "waiting_for": "room in the replay",
    "received": 9880.0,
    "policy_updates": None,
    "policy_age": None,
}
STATUS = {
    "task": {"environment": "Pendulum-v1"},
    "started": 10_000 - 5400.0,
    "rows": {"inserted": 6000, "sampled": 1_280_000, "kept": 4000},
    "inserted_per_second": 49.6,
    "sampled_per_second": 12_345.6,
    "samples_per_insert": 256.0,
    "minimum_rows": 1000,
    "capacity": 4000,
    "total_steps": 20_000,
    "rows_gone": 17,
    "checkpoint": {"rows": 5500, "time": 10_000 - 150.0},
    "processes": {"learner": LEARNER, "collector 1": WAITING, "collector 0": COLLECTOR},
}


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(status, "time", clock)
    return clock


@pytest.fixture
def server(serve):
    return serve()


@pytest.fixture
def published(server, tmp_path):
    """A status and the client of its server."""
    published = RunStatus(server.client, {"capacity": 100}, tmp_path / "tensorboard")
    yield published, server.client
    published.close()


def _rates(published) -> tuple[float, float]:
    return published.content["inserted_per_second"], published.content["sampled_per_second"]


def test_rows_and_rates_by_hand(published, clock):
    published, client = published
    published.refresh()
    assert _rates(published) == (0, 0)
    insert_rows(client, 20)
    clock.now = 1004
    assert published.refresh() == counts(client) == (20, 0, 20)
    assert _rates(published) == (5, 0)  # 20 rows in 4 s
    insert_rows(client, 90)
    sample_rows(client, 40)
    clock.now = 1008
    assert published.refresh() == (110, 40, 100)  # the table keeps 100
    assert _rates(published) == (110 / 8, 40 / 8)
    clock.now = 1012
    published.refresh()
    assert _rates(published) == (90 / 8, 40 / 8)  # since 1004: counts older than 10 s are dropped
    clock.now = 1040
    published.refresh()
    assert _rates(published) == (0, 0)


def test_status_is_published(published, clock):
    published, client = published
    insert_rows(client, 3)
    published.refresh()
    (received,) = receive(client, STATUS_TABLE)
    assert received.pop("time") > 0
    assert received == published.content
    assert received["rows"] == {"inserted": 3, "sampled": 0, "kept": 3}
    assert received["capacity"] == 100 and received["processes"] == {}


def test_process_without_heartbeats_is_dropped(published, clock):
    published, client = published
    for steps in (1, 2):
        send(client, HEARTBEAT_TABLE, {"process": "collector 0", "steps": steps})
    send(client, HEARTBEAT_TABLE, {"process": "learner", "updates": 5})
    published.refresh()
    assert published.content["processes"].keys() == {"collector 0", "learner"}
    assert published.content["processes"]["collector 0"]["steps"] == 2
    clock.now = 1020
    send(client, HEARTBEAT_TABLE, {"process": "learner", "updates": 6})
    published.refresh()
    clock.now = 1029
    published.refresh()
    assert published.content["processes"].keys() == {"collector 0", "learner"}
    clock.now = 1030
    published.refresh()
    assert published.content["processes"].keys() == {"learner"}
    assert published.content["processes"]["learner"]["received"] == 1020


def test_heartbeats_have_the_current_report(published):
    published, client = published
    reports = iter(range(1, 100))
    heartbeats = send_heartbeats(
        client, "evaluator", lambda: {"kind": "evaluator", "beat": next(reports)}
    )
    eventually(lambda: published.refresh() and published.content["processes"])
    heartbeats.stop(60)
    published.refresh()
    heartbeat = published.content["processes"]["evaluator"]
    assert heartbeat.keys() == {"kind", "beat", "time", "received"}
    # 2: the last call of `stop`
    assert (heartbeat["kind"], heartbeat["beat"]) == ("evaluator", 2)


def test_restored_server_publishes_no_old_status(server, published, serve, tmp_path):
    """A checkpoint is written while the status is withdrawn."""
    published, client = published
    published.refresh()
    published.withdraw()
    assert receive(client, STATUS_TABLE) == []
    server.checkpoint(tmp_path / "saved")
    published.publish()
    assert receive(client, STATUS_TABLE)[0]["capacity"] == 100
    restored = serve(restore_from=tmp_path / "saved")
    assert receive(restored.client, STATUS_TABLE) == []


def test_numbers_are_written_to_tensorboard(published, clock, tmp_path):
    published, client = published
    insert_rows(client, 7)
    heartbeats = {"learner": LEARNER, "collector 0": COLLECTOR, "collector 1": WAITING}
    for process, heartbeat in heartbeats.items():
        send(client, HEARTBEAT_TABLE, {"process": process, **heartbeat})
    published.refresh()
    published.summarize()
    published.close()
    (file,) = (tmp_path / "tensorboard").iterdir()
    events = [
        tf.compat.v1.Event.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(file))
    ]
    values = {
        value.tag: (event.step, float(tf.make_ndarray(value.tensor)))
        for event in events
        for value in event.summary.value
    }
    expected = {
        "rows_inserted": 7,
        "rows_sampled": 0,
        "rows_kept": 7,
        "inserted_per_second": 0,
        "sampled_per_second": 0,
        "collectors": 2,
        "processes_waiting": 1,
        "oldest_policy_age": 2.2,
    }
    assert values == {
        f"replay_server/{name}": (7, pytest.approx(value)) for name, value in expected.items()
    }


def test_one_line_of_a_run():
    assert one_line(STATUS) == (
        "6,000 of 20,000 rows, 50/s inserted, 12,346/s sampled; 2 collectors; waiting: collector 1"
    )


def test_one_line_without_processes():
    assert one_line(STATUS | {"processes": {}}) == (
        "6,000 of 20,000 rows, 50/s inserted, 12,346/s sampled; 0 collectors, no learner"
    )


def test_all_lines_of_a_run(clock):
    clock.now = 10_000
    assert all_lines("host:8000", STATUS) == [
        "host:8000  Pendulum-v1, up 1.5 h",
        "  replay      4,000 of 4,000 rows; 6,000 of 20,000 inserted; 17 lost in restarts",
        "  rates       49.6 rows/s inserted, 12,346 rows/s sampled",
        "  limiter     256 samples per row after the first 1,000, so far 256.0",
        "  checkpoint  5,500 rows, 2.5 min ago",
        "  collector 0               5,000 steps; policy of update 11,900, 2 s old; last return "
        "-301.3; heartbeat 1 s ago",
        "  collector 1               0 steps; WAITING for room in the replay; heartbeat 2.0 min "
        "ago",
        "  learner                   12,000 updates, 100/s; heartbeat 3 s ago",
    ]


def test_all_lines_of_a_server_that_just_started(clock):
    clock.now = 10_000
    started = {name: value for name, value in STATUS.items() if name != "checkpoint"}
    started |= {"samples_per_insert": None, "processes": {}, "started": 10_000.0}
    started |= {"rows": {"inserted": 0, "sampled": 0, "kept": 0}}
    lines = all_lines("host:8000", started)
    assert lines[0] == "host:8000  Pendulum-v1, up 0 s"
    assert lines[3:] == [
        "  limiter     no limit after the first 1,000 rows, so far 0.0 samples per row",
        "  checkpoint  none yet",
        "  no heartbeat in the last 30 s",
    ]
