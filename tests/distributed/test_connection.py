import contextlib
import socket
import threading

import numpy as np
import pytest
import tensorflow as tf
from reverb.errors import DeadlineExceededError

from sac_tf.distributed import connection, messages
from sac_tf.distributed.connection import RunDescription, Stopped, connect, describe_task, look
from sac_tf.distributed.messages import STATUS_TABLE, receive, send
from sac_tf.distributed.waiting import Patience, with_timeout
from sac_tf.errors import ConfigurationError, RunError
from sac_tf.replay.tables import ReplayServer, make_tables
from sac_tf.types import EnvironmentSpec
from tests.distributed.served import WINDOWS
from tests.waiting import eventually


def _task(actions=1):
    bound = np.ones(actions, np.float32)
    spec = EnvironmentSpec.of_arrays(tf.TensorSpec([3]), -bound, bound)
    return describe_task("Pendulum-v1", spec)


TASK = _task()
SETTINGS = {"train.discount": "0.99", "train.num_environments": "1", "set_runtime.intra_op": "1"}
RUN = RunDescription(TASK, SETTINGS)


@pytest.fixture(autouse=True)
def _short_timeout(monkeypatch):
    monkeypatch.setattr(messages, "_TIMEOUT_S", 1)


@pytest.fixture
def patience():
    return Patience(lambda: False, lambda line: None, limit_s=120)


def _with_status(server, **facts):
    status = {"task": TASK, "settings": SETTINGS, "servers": 1}
    send(server.client, STATUS_TABLE, status | facts)
    return server


def _free_port() -> int:
    with socket.create_server(("localhost", 0)) as free:
        return free.getsockname()[1]


def test_task_has_environment_and_shapes(spec, nested_spec):
    task = describe_task("X-v0", spec)
    assert task["environment"] == "X-v0"
    assert [leaf["shape"] for leaf in task["observation"]] == [[3]]
    assert [leaf["shape"] for leaf in task["action"]] == [[2]]
    nested = describe_task("X-v0", nested_spec)["observation"]
    found = {"/".join(leaf["path"]): leaf["shape"] for leaf in nested}
    assert found == {"hand/force": [1], "hand/grid": [2, 2], "position": [2]}


def test_clients_are_in_the_order_of_addresses(serve, patience):
    addresses = [_with_status(serve(), servers=2).address for _ in range(2)]
    assert [client.server_address for client in connect(addresses, RUN, patience)] == addresses


def test_address_without_a_server_raises(patience):
    address = f"localhost:{_free_port()}"
    words = f"No replay server answers at {address} .*refused.* or set connect.wait_s"
    for call in (lambda: connect([address], RUN, patience), lambda: look(address)):
        with pytest.raises(RunError, match=words):
            with_timeout(call, 60)


@pytest.mark.parametrize("wait_s", [0, 0.05])
def test_unknown_host_raises(patience, wait_s, monkeypatch):
    monkeypatch.setattr(connection.time, "sleep", lambda seconds: None)
    host = ".".join(["a" * 60] * 5)  # too long, so that no request leaves this host
    words = f"--replay_address={host}:80: there is no host {host}"
    with pytest.raises(ConfigurationError, match=words):
        with_timeout(lambda: connect([f"{host}:80"], RUN, patience, wait_s), 60)


@pytest.mark.parametrize("closes", [False, True])
def test_server_that_never_answers_raises_after_the_limit(closes):
    """It accepts, and then sends nothing or closes the connection: a replay server that is paused
    looks the same, so restarting the program may help."""
    patience = Patience(lambda: False, lambda line: None, limit_s=2)
    with socket.create_server(("localhost", 0)) as server, contextlib.ExitStack() as accepted:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.close() if closes else accepted.enter_context(connection)

        threading.Thread(target=accept, daemon=True).start()
        address = f"localhost:{server.getsockname()[1]}"
        words = f"Waited 2 s for the status of the replay server at {address}"
        with pytest.raises(RunError, match=words):
            with_timeout(lambda: connect([address], RUN, patience), 60)


@pytest.mark.parametrize(
    "error", [DeadlineExceededError("busy"), RuntimeError("unavailable"), TimeoutError("no answer")]
)
def test_waits_for_a_server_that_is_busy(serve, patience, monkeypatch, error):
    answers = [error, error]

    def receive_slowly(*arguments):
        if answers:
            raise answers.pop()
        return receive(*arguments)

    monkeypatch.setattr(connection, "receive", receive_slowly)
    monkeypatch.setattr(connection.time, "sleep", lambda seconds: None)
    address = _with_status(serve()).address
    assert [client.server_address for client in connect([address], RUN, patience)] == [address]
    assert not answers


def test_reverb_server_with_other_tables_raises(tmp_path, patience):
    server = ReplayServer(make_tables(WINDOWS), tmp_path / "staging", restore_from=None)
    with pytest.raises(ConfigurationError, match="is not a replay server of sac_tf"):
        with_timeout(lambda: connect([server.address], RUN, patience), 60)
    server.stop()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"task": TASK | {"environment": "Hopper-v5"}},
            r"is for Hopper-v5 \(.*\), and this process for Pendulum-v1",
        ),
        (
            {"task": _task(actions=2)},
            r"\(observation float32 \[3\]; 2 actions\), and .* \(observation .*; 1 actions\)",
        ),
        (
            {"settings": SETTINGS | {"train.discount": "0.9", "droq_torso.rate": "0.1"}},
            r"serves a run with other settings \(droq_torso.rate is 0.1 there and not set here; "
            r"train.discount is 0.9 there and 0.99 here\); give all processes the same gin files",
        ),
        (
            {"servers": 2},
            r"is one of 2 \(replay_server.servers\), and --replay_address names 1; name all",
        ),
    ],
)
def test_server_of_another_run_raises(serve, patience, facts, words):
    with pytest.raises(ConfigurationError, match=words):
        connect([_with_status(serve(), **facts).address], RUN, patience)


def test_settings_of_a_process_may_differ(serve, patience):
    others = {"train.num_environments": "4", "set_runtime.intra_op": "2", "connect.wait_s": "60"}
    server = _with_status(serve(), settings=SETTINGS | others)
    assert len(connect([server.address], RUN, patience)) == 1


@pytest.mark.parametrize("wait_s", [-1, "1", None])
def test_invalid_wait_raises(patience, wait_s):
    words = "connect.wait_s must be a number of seconds of at least 0"
    with pytest.raises(ConfigurationError, match=words):
        connect([], RUN, patience, wait_s)


def test_waits_for_a_server_and_its_status(serve, patience):
    """The status is published shortly after the server listens."""
    port = _free_port()
    address = f"localhost:{port}"
    clients = []
    thread = threading.Thread(
        target=lambda: clients.extend(connect([address], RUN, patience, wait_s=120))
    )
    thread.start()
    eventually(lambda: patience.waiting_for == f"the replay server at {address}")
    server = serve(port=port)
    eventually(lambda: patience.waiting_for == f"the status of the replay server at {address}")
    _with_status(server)
    thread.join(60)
    assert [client.server_address for client in clients] == [address]


def test_signal_ends_the_wait(monkeypatch):
    monkeypatch.setattr(connection.time, "sleep", lambda seconds: None)
    patience = Patience(lambda: True, lambda line: None)
    with pytest.raises(Stopped, match="Stopped while waiting for the replay server at localhost"):
        with_timeout(lambda: connect([f"localhost:{_free_port()}"], RUN, patience, wait_s=100), 60)


def test_look_returns_the_status(serve):
    status = look(_with_status(serve(), started=7).address)
    assert status["task"] == TASK and status["started"] == 7
