import pytest
import tensorflow as tf

from sac_tf.distributed import status
from sac_tf.distributed.messages import BOARD_TABLE, HEARTBEAT_TABLE, receive, send
from sac_tf.distributed.status import Board, all_lines, counts, one_line, send_heartbeats
from tests.distributed.served import Clock, eventually, insert_rows, sample_rows

LEARNER = {
    "kind": "learner",
    "updates": 12_000,
    "updates_per_second": 99.6,
    "waiting_for": None,
    "heard": 9997.0,
}
COLLECTOR = {
    "kind": "collector",
    "steps": 5000,
    "last_return": -301.26,
    "waiting_for": None,
    "heard": 9999.0,
}
COLLECTOR |= {"policy_updates": 11_900, "policy_age": 2.2}
WAITING = {
    "kind": "collector",
    "steps": 0,
    "last_return": None,
    "waiting_for": "room in the replay",
    "heard": 9880.0,
}
WAITING |= {"policy_updates": None, "policy_age": None}
CONTENT = {
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
def shown(serve, tmp_path):
    """A board and the client of its server."""
    client = serve().client
    shown = Board(client, {"capacity": 100}, tmp_path / "tensorboard")
    yield shown, client
    shown.close()


def _rates(shown) -> tuple[float, float]:
    return shown.content["inserted_per_second"], shown.content["sampled_per_second"]


def test_rows_and_rates_by_hand(shown, clock):
    shown, client = shown
    shown.refresh()
    assert _rates(shown) == (0, 0)
    insert_rows(client, 20)
    clock.now = 1004
    assert shown.refresh() == counts(client) == (20, 0, 20)
    assert _rates(shown) == (5, 0)  # 20 rows in 4 s
    insert_rows(client, 90)
    sample_rows(client, 40)
    clock.now = 1008
    assert shown.refresh() == (110, 40, 100)  # the table keeps 100
    assert _rates(shown) == (110 / 8, 40 / 8)
    clock.now = 1012
    shown.refresh()
    assert _rates(shown) == (90 / 8, 40 / 8)  # since 1004: what is older than 10 s does not count
    clock.now = 1040
    shown.refresh()
    assert _rates(shown) == (0, 0)


def test_everybody_can_read_the_board(shown, clock):
    shown, client = shown
    insert_rows(client, 3)
    shown.refresh()
    (read,) = receive(client, BOARD_TABLE)
    assert read.pop("time") > 0
    assert read == shown.content and read["rows"] == {"inserted": 3, "sampled": 0, "kept": 3}
    assert read["capacity"] == 100 and read["processes"] == {}


def test_a_process_is_on_the_board_until_it_is_silent(shown, clock):
    shown, client = shown
    for steps in (1, 2):
        send(client, HEARTBEAT_TABLE, {"who": "collector 0", "steps": steps})
    send(client, HEARTBEAT_TABLE, {"who": "learner", "updates": 5})
    shown.refresh()
    assert shown.content["processes"].keys() == {"collector 0", "learner"}
    assert shown.content["processes"]["collector 0"]["steps"] == 2
    clock.now = 1020
    send(client, HEARTBEAT_TABLE, {"who": "learner", "updates": 6})
    shown.refresh()
    clock.now = 1029
    shown.refresh()
    assert shown.content["processes"].keys() == {"collector 0", "learner"}
    clock.now = 1030
    shown.refresh()
    assert shown.content["processes"].keys() == {"learner"}
    assert shown.content["processes"]["learner"]["heard"] == 1020


def test_heartbeats_tell_how_the_process_is_now(shown):
    shown, client = shown
    reports = iter(range(1, 100))
    heartbeats = send_heartbeats(
        client, "evaluator", lambda: {"kind": "evaluator", "beat": next(reports)}
    )
    eventually(lambda: shown.refresh() and shown.content["processes"])
    heartbeats.stop(20)
    shown.refresh()
    heard = shown.content["processes"]["evaluator"]
    assert heard.keys() == {"kind", "beat", "time", "heard"}
    assert (heard["kind"], heard["beat"]) == ("evaluator", 2)  # the last call of `stop`


def test_numbers_go_to_tensorboard(shown, clock, tmp_path):
    shown, client = shown
    insert_rows(client, 7)
    for who, message in (
        ("learner", LEARNER),
        ("collector 0", COLLECTOR),
        ("collector 1", WAITING),
    ):
        send(client, HEARTBEAT_TABLE, {"who": who, **message})
    shown.refresh()
    shown.summarize()
    shown.close()
    (file,) = (tmp_path / "tensorboard").iterdir()
    events = [
        tf.compat.v1.Event.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(file))
    ]
    values = {
        v.tag: (event.step, float(tf.make_ndarray(v.tensor)))
        for event in events
        for v in event.summary.value
    }
    expected = {"rows_inserted": 7, "rows_sampled": 0, "rows_kept": 7, "inserted_per_second": 0}
    expected |= {
        "sampled_per_second": 0,
        "collectors": 2,
        "processes_waiting": 1,
        "oldest_policy_age": 2.2,
    }
    assert values == {
        f"replay_server/{name}": (7, pytest.approx(value)) for name, value in expected.items()
    }


def test_one_line_with_all_that_there_is():
    assert one_line(CONTENT) == (
        "6,000 of 20,000 rows, 50/s in, 12,346/s out; 2 collectors; waiting: collector 1"
    )


def test_one_line_without_anybody():
    assert one_line(CONTENT | {"processes": {}}) == (
        "6,000 of 20,000 rows, 50/s in, 12,346/s out; 0 collectors, no learner"
    )


def test_all_lines_with_all_that_there_is(clock):
    clock.now = 10_000
    assert all_lines("host:8000", CONTENT) == [
        "host:8000  Pendulum-v1, up 1.5 h",
        "  replay      4,000 rows of 4,000; 6,000 ever inserted, 20,000 asked for; 17 lost by a "
        "restart",
        "  rates       49.6 rows/s in, 12,346 rows/s out",
        "  limiter     256 samples for each row after the first 1,000, so far 256.0",
        "  checkpoint  5,500 rows, 2.5 min ago",
        "  collector 0               5,000 steps; policy of update 11,900, 2 s old; last return "
        "-301.3; heard 1 s ago",
        "  collector 1               0 steps; WAITING for room in the replay; heard 2.0 min ago",
        "  learner                   12,000 updates, 100/s; heard 3 s ago",
    ]


def test_all_lines_of_a_server_that_just_started(clock):
    clock.now = 10_000
    content = {name: value for name, value in CONTENT.items() if name != "checkpoint"}
    content |= {"samples_per_insert": None, "processes": {}, "started": 10_000.0}
    content |= {"rows": {"inserted": 0, "sampled": 0, "kept": 0}}
    lines = all_lines("host:8000", content)
    assert lines[0] == "host:8000  Pendulum-v1, up 0 s"
    assert lines[3:] == [
        "  limiter     free after the first 1,000 rows, so far 0.0 samples for each",
        "  checkpoint  none yet",
        "  no process was heard in the last half minute",
    ]
