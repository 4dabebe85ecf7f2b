import contextlib
import socket
import threading

import pytest

from sac_tf.distributed import connection, messages
from sac_tf.distributed.addresses import parse_addresses
from sac_tf.distributed.connection import connect, describe_task, look
from sac_tf.distributed.messages import BOARD_TABLE, send
from sac_tf.distributed.waiting import Patience, bounded
from sac_tf.errors import ConfigurationError, RunError
from sac_tf.replay.tables import ReplayServer, make_tables
from tests.distributed.served import eventually

TASK = {"environment": "Pendulum-v1", "observation": {"": [3]}, "action": 1}
SETTINGS = {"train.discount": "0.99"}


@pytest.fixture(autouse=True)
def _short_answers(monkeypatch):
    monkeypatch.setattr(messages, "_ANSWER_S", 1)


@pytest.fixture
def patience():
    return Patience(lambda: False, lambda line: None, limit_s=30)


def _with_board(server, **facts):
    send(server.client, BOARD_TABLE, {"task": TASK, "settings": SETTINGS, "servers": 1} | facts)
    return server


def _free_port() -> int:
    with socket.create_server(("localhost", 0)) as free:
        return free.getsockname()[1]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("localhost:8000", ["localhost:8000"]),
        ("a.example:1, b.example:65535", ["a.example:1", "b.example:65535"]),
        ("[::1]:8000,10.0.0.1:8000", ["[::1]:8000", "10.0.0.1:8000"]),
    ],
)
def test_addresses(text, addresses):
    assert parse_addresses(text) == addresses


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        ":8000",
        "a:",
        "a:0",
        "a:65536",
        "a:-1",
        "a:+1",
        "a:1x",
        "a:²",
        "a..b:1",
        "a b:1",
        "http://a:1",
        "::1:80",
        "a:1,",
        "a:1,,b:2",
        "a:1;b:2",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(
        ConfigurationError, match="--replay_address=.* must be HOST:PORT, or several with commas"
    ):
        parse_addresses(text)


def test_an_address_given_twice_is_refused():
    with pytest.raises(ConfigurationError, match="names a server twice"):
        parse_addresses("a:1,b:2,a:1")


def test_a_task_is_what_two_processes_must_agree_on(spec, nested_spec):
    assert describe_task("X-v0", spec) == {
        "environment": "X-v0",
        "observation": {"": [3]},
        "action": 2,
    }
    nested = {"hand/force": [1], "hand/grid": [2, 2], "position": [2]}
    assert describe_task("X-v0", nested_spec)["observation"] == nested


def test_clients_come_in_the_order_of_the_addresses(serve, patience):
    addresses = [_with_board(serve(), servers=2).address for _ in range(2)]
    assert [
        client.server_address for client in connect(addresses, TASK, SETTINGS, (), patience)
    ] == addresses


def test_nothing_listens(patience):
    address = f"localhost:{_free_port()}"
    for call in (lambda: connect([address], TASK, SETTINGS, (), patience), lambda: look(address)):
        with pytest.raises(
            RunError,
            match=f"No replay server answers at {address} .*refused.* or give connect.wait_s",
        ):
            bounded(call, 20)


@pytest.mark.parametrize("wait_s", [0, 0.05])
def test_there_is_no_such_host(patience, wait_s, monkeypatch):
    monkeypatch.setattr(connection.time, "sleep", lambda seconds: None)
    host = ".".join(["a" * 60] * 5)  # too long: nobody on the network is asked
    with pytest.raises(
        ConfigurationError, match=f"--replay_address={host}:80: there is no host {host}"
    ):
        bounded(lambda: connect([f"{host}:80"], TASK, SETTINGS, (), patience, wait_s), 30)


@pytest.mark.parametrize("closes", [False, True])
def test_something_that_is_no_replay_server(patience, closes):
    """It accepts, and says nothing or hangs up."""
    with socket.create_server(("localhost", 0)) as server, contextlib.ExitStack() as accepted:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.close() if closes else accepted.enter_context(connection)

        threading.Thread(target=accept, daemon=True).start()
        with pytest.raises(ConfigurationError, match="is no replay server of this library"):
            bounded(
                lambda: connect(
                    [f"localhost:{server.getsockname()[1]}"], TASK, SETTINGS, (), patience
                ),
                20,
            )


def test_a_reverb_server_with_other_tables(tmp_path, patience):
    server = ReplayServer(make_tables(3), tmp_path / "staging", restore_from=None)
    with pytest.raises(ConfigurationError, match="is no replay server of this library"):
        bounded(lambda: connect([server.address], TASK, SETTINGS, (), patience), 20)
    server.stop()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"task": TASK | {"environment": "Hopper-v5"}},
            r"is for Hopper-v5 \(.*\), and this process for Pendulum-v1",
        ),
        (
            {"task": TASK | {"action": 2}},
            r"\{'': \[3\]\}, 2 actions\), and .* \(observation \{'': \[3\]\}, 1 actions\)",
        ),
        (
            {"servers": 2},
            r"is one of 2 \(replay_server.servers\), and --replay_address names 1; name all",
        ),
    ],
)
def test_a_server_of_another_run(serve, patience, facts, words):
    with pytest.raises(ConfigurationError, match=words):
        connect([_with_board(serve(), **facts).address], TASK, SETTINGS, (), patience)


@pytest.mark.parametrize("wait_s", [-1, "1", None])
def test_a_bad_wait_is_refused(patience, wait_s):
    with pytest.raises(
        ConfigurationError, match="connect.wait_s must be a number of seconds of at least 0"
    ):
        connect([], TASK, SETTINGS, (), patience, wait_s)


def test_it_waits_for_a_server_that_starts_later(serve, patience):
    """And for its board, which comes a moment after its port."""
    port, seen = _free_port(), []
    thread = threading.Thread(
        target=lambda: seen.extend(
            connect([f"localhost:{port}"], TASK, SETTINGS, (), patience, wait_s=30)
        )
    )
    thread.start()
    eventually(lambda: patience.waiting_for == f"the replay server at localhost:{port}")
    server = serve(port=port)
    eventually(
        lambda: patience.waiting_for == f"the board of the replay server at localhost:{port}"
    )
    _with_board(server)
    thread.join(20)
    assert [client.server_address for client in seen] == [f"localhost:{port}"]


def test_it_stops_waiting_when_it_is_over(monkeypatch):
    monkeypatch.setattr(connection.time, "sleep", lambda seconds: None)
    patience = Patience(lambda: True, lambda line: None)
    with pytest.raises(RunError, match="Stopped while waiting for the replay server at localhost"):
        bounded(
            lambda: connect(
                [f"localhost:{_free_port()}"], TASK, SETTINGS, (), patience, wait_s=100
            ),
            20,
        )


def test_a_look_at_the_board(serve):
    board = look(_with_board(serve(), started=7).address)
    assert board["task"] == TASK and board["started"] == 7
