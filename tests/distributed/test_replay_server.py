"""Tables, status and checkpoints of a replay server."""

import errno
import json
import socket
import types

import gin
import pytest
from reverb.errors import DeadlineExceededError

from sac_tf.distributed import replay_server
from sac_tf.distributed.connection import RunDescription, look
from sac_tf.distributed.messages import STATUS_TABLE, receive
from sac_tf.distributed.replay_server import make_run_tables
from sac_tf.distributed.settings import ReplayServerSettings
from sac_tf.errors import ConfigurationError, RunError
from sac_tf.training.train import Training
from tests.distributed.running import free_port
from tests.distributed.served import WINDOWS, insert_rows, make_windows

RUN = RunDescription({"environment": "Pendulum-v1"}, {"train.discount": "0.99"})


def _replay_table(**settings):
    """Returns Reverb's description of the replay table."""
    return make_run_tables(WINDOWS, Training(environment="Pendulum-v1", **settings))[0].info


@pytest.fixture
def start(tmp_path):
    """Returns a function that starts a server of `RUN`, closed after the test."""
    servers = []

    def start(run=RUN, port=None, **settings):
        training = Training(environment="Pendulum-v1", **settings)
        tables = make_run_tables(WINDOWS, training)
        port = port or free_port()
        server = replay_server._Server(tmp_path, port, training.total_steps, run, tables)
        servers.append(server)
        return server, f"localhost:{port}"

    yield start
    for server in servers:
        server.close()


def test_tables_of_a_server():
    """A window of n steps has n + 1 rows: 3 observations, 2 actions and 3 more numbers."""
    tables = make_run_tables(make_windows(n=2), Training(environment="Pendulum-v1"))
    assert [table.name for table in tables] == ["replay", "policy", "heartbeats", "status"]
    signature = tables[0].info.signature
    assert {name: column.shape.as_list() for name, column in signature.items()} == {
        "float32_0": [8],
        "float32_1": [8],
        "float32_2": [8],
    }
    assert tables[0].info.max_size == 1_000_000


@pytest.mark.parametrize(
    ("bindings", "samples"),
    [
        ([], 256),  # 1 update per step, on a batch of 256
        (["train.updates_per_step = 20"], 5120),
        (
            [
                "train.prior_data = @prior_data",
                "prior_data.dataset = 'demonstrations-v0'",
                "prior_data.fraction = 0.25",
            ],
            192,
        ),
        (["train.updates_per_step = 0.25", "train.batch_size = 64"], 16),
        (["RATIO = 2", "train.updates_per_step = %RATIO"], 512),
    ],
)
def test_samples_per_insert_are_utd_ratio_times_batch_size(bindings, samples):
    gin.parse_config(bindings)
    limiter = _replay_table().rate_limiter_info
    assert limiter.samples_per_insert == samples
    assert limiter.max_diff - limiter.min_diff == 2 * 200 * samples


@pytest.mark.parametrize(
    ("random_steps", "servers", "minimum_size", "first"),
    [(5000, 1, 1, 5000), (1000, 3, 1, 334), (0, 1, 1, 1), (100, 2, 80, 80), (100, 1, 80, 100)],
)
def test_sampling_starts_after_the_random_steps(random_steps, servers, minimum_size, first):
    """Each of several servers stores an equal part of them."""
    gin.parse_config([f"replay_server.servers = {servers}", f"tables.minimum_size={minimum_size}"])
    info = _replay_table(random_steps=random_steps)
    assert info.rate_limiter_info.min_size_to_sample == first


def test_capacity_and_selector_are_bound():
    gin.parse_config(["tables.capacity = 77", "tables.sampler = @Prioritized"])
    info = _replay_table()
    assert info.max_size == 77 and info.sampler_options.HasField("prioritized")


@pytest.mark.parametrize(("limits", "samples"), [("held_ratio", 256), ("free_ratio", None)])
def test_status_has_the_facts_of_the_run(start, limits, samples):
    gin.parse_config(f"replay_server.limits = @{limits}")
    _, address = start(random_steps=30)
    status = look(address)
    expected = {
        "task": RUN.task,
        "settings": RUN.settings,
        "samples_per_insert": samples,
        "minimum_rows": 30,
        "capacity": 1_000_000,
        "servers": 1,
        "total_steps": 1_000_000,
        "rows_gone": 0,
    }
    assert {name: status[name] for name in expected} == expected


def test_restarted_server_publishes_only_its_own_settings(start, monkeypatch):
    """A checkpoint has the rows and not the status, which another process could compare with."""
    first, address = start()
    insert_rows(first._server.client, 5)
    first.save()
    status = look(address)
    assert status["checkpoint"]["rows"] == 5 and status["settings"] == RUN.settings
    first.close()
    seen = []

    def counts(client):
        seen.append(receive(client, STATUS_TABLE))
        return types.SimpleNamespace(inserted=5)

    with monkeypatch.context() as patch:
        patch.setattr(replay_server, "counts", counts)  # called before the status is published
        _, address = start(run=RUN._replace(settings={"train.discount": "0.9"}))
    assert seen == [[]]
    assert look(address)["settings"] == {"train.discount": "0.9"}
    assert look(address)["rows"]["inserted"] == 5


def test_full_disk_keeps_the_status(start, monkeypatch, capsys):
    server, address = start()

    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(server._server, "checkpoint", fail)
    server.save()
    out = capsys.readouterr().out
    assert "Cannot write in" in out and "(no space); its checkpoints are unchanged" in out
    assert "checkpoint" not in look(address)


def _raise(error):
    """Returns a function that raises `error`, whatever its arguments are."""

    def fail(*_, **__):
        raise error

    return fail


_FULL = OSError(errno.ENOSPC, "No space left on device")
_BUSY = DeadlineExceededError("no answer in 5s")


def test_full_disk_is_reported_once_and_serving_goes_on(start, monkeypatch, capsys):
    server, address = start()
    monkeypatch.setattr(replay_server, "_SUMMARY_PERIOD_S", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(replay_server.files, "write_at_once", _raise(_FULL))
        server.tick()
        insert_rows(server._server.client, 5)
        server.tick()
    words = f"Cannot write in {server._folder} ([Errno 28] No space left on device). The server"
    assert capsys.readouterr().out.count(words) == 1
    assert look(address)["rows"]["inserted"] == 5
    server.tick()
    assert json.loads((server._folder / "rows.json").read_text())["inserted"] == 5
    with monkeypatch.context() as patch:
        patch.setattr(server._status, "summarize", _raise(_FULL))
        server.tick()
    assert capsys.readouterr().out.count(words) == 1  # again, after a success


def test_busy_machine_does_not_end_the_server(start, monkeypatch, capsys):
    server, address = start()
    with monkeypatch.context() as patch:
        patch.setattr(server._status, "refresh", _raise(_BUSY))
        server.tick()
        server.tick()
        patch.setattr(replay_server, "counts", _raise(_BUSY))
        server.save()
    out = capsys.readouterr().out
    assert out.count("The server is too busy to publish its status (no answer in 5s)") == 1
    assert out.count("The server is too busy to write a checkpoint (no answer in 5s)") == 1
    with monkeypatch.context() as patch:
        patch.setattr(server._status, "publish", _raise(_BUSY))
        server.save()
    server.tick()
    assert look(address)["checkpoint"]["rows"] == 0


def test_unexpected_error_is_raised_after_saving(tmp_path, monkeypatch):
    ticks = [None]  # the constructor's

    def tick(_):
        if not ticks:
            raise KeyError("kind")
        ticks.pop()

    monkeypatch.setattr(replay_server._Server, "tick", tick)
    gin.parse_config("tables.capacity = 1000")
    with pytest.raises(RunError, match="Unexpected KeyError .*All that was collected is in"):
        replay_server.run(str(tmp_path), free_port(), Training(environment="Pendulum-v1"))
    assert (tmp_path / "replay_server/checkpoints/step-000000000/manifest.json").exists()


def test_restart_prints_what_was_lost(start, tmp_path, capsys):
    server, _ = start()
    insert_rows(server._server.client, 5)
    server.tick()
    assert json.loads((tmp_path / "rows.json").read_text()) == {"inserted": 5, "gone": 0}
    server.close()
    server, address = start()
    assert "There was no checkpoint yet: all 5 rows are lost." in capsys.readouterr().out
    assert look(address)["rows_gone"] == 5
    insert_rows(server._server.client, 3)
    server.save()
    insert_rows(server._server.client, 4)
    server.tick()
    server.close()
    _, address = start()
    assert "Resuming with the 3 rows inserted until" in (out := capsys.readouterr().out)
    assert "; 4 rows inserted later are lost." in out
    assert look(address)["rows_gone"] == 9


def test_port_is_checked_before_a_checkpoint_is_read(start, monkeypatch):
    monkeypatch.setattr(replay_server.CheckpointStore, "latest", _raise(AssertionError()))
    with socket.socket() as other:
        other.bind(("", 0))
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} cannot be opened"):
            start(port=port)


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        ("train.updates_per_step = 0", "train.updates_per_step must be a number above 0, got 0"),
        (
            "train.updates_per_step = '1'",
            "train.updates_per_step must be a number above 0, got '1'",
        ),
        ("train.batch_size = 2.5", "train.batch_size must be an integer of at least 1, got 2.5"),
    ],
)
def test_invalid_ratio_raises(binding, words):
    gin.parse_config(binding)
    with pytest.raises(ConfigurationError, match=words):
        _replay_table()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"checkpoint_period": 0},
            "replay_server.checkpoint_period must be a number of seconds above 0",
        ),
        ({"checkpoint_period": float("inf")}, "replay_server.checkpoint_period must be"),
        ({"servers": 0}, "replay_server.servers must be an integer of at least 1"),
    ],
)
def test_invalid_number_raises(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        ReplayServerSettings(**settings)
