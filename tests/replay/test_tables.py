"""The port of a Reverb server: one that cannot be opened is refused in one sentence."""

import socket

import pytest

from sac_tf.errors import ConfigurationError
from sac_tf.replay import tables
from sac_tf.replay.tables import ReplayServer, make_tables
from tests.distributed.served import WINDOWS


@pytest.fixture
def taken():
    """Returns a port that another process has and where nobody listens."""
    with socket.socket() as other:
        other.bind(("", 0))
        yield other.getsockname()[1]


def test_port_that_another_process_has_is_refused_before_work(tmp_path, taken):
    words = rf"Port {taken} cannot be opened \(Address already in use\); choose another \(--port,"
    with pytest.raises(ConfigurationError, match=words):
        ReplayServer(make_tables(WINDOWS), tmp_path / "staging", None, taken)
    assert not (tmp_path / "staging").exists()


def test_port_that_is_taken_after_the_check_is_refused(tmp_path, taken, monkeypatch):
    monkeypatch.setattr(tables, "check_port", lambda port: None)
    with pytest.raises(ConfigurationError, match=f"Port {taken} cannot be opened .*BuildAndStart"):
        ReplayServer(make_tables(WINDOWS), tmp_path / "staging", None, taken)


def test_port_that_was_just_closed_is_accepted():
    """Its last connections linger for a minute."""
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("localhost", port)):
            accepted, _ = server.accept()
            accepted.close()  # first, so that this side lingers
    tables.check_port(port)
