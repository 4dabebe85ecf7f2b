import contextlib

import pytest

from sac_tf.distributed import replay_server
from sac_tf.distributed.connection import RunDescription, describe_task
from sac_tf.distributed.rate_limits import free_ratio
from sac_tf.distributed.settings import configuration_of
from sac_tf.replay.tables import ReplayServer
from tests.distributed.running import free_port
from tests.distributed.served import WINDOWS, make_run_tables


@pytest.fixture
def serve(tmp_path):
    """Returns a function that starts a replay server of a run, stopped after the test."""
    servers = []

    def start(limiter=None, restore_from=None, port=None, windows=WINDOWS, **settings):
        tables = make_run_tables(windows, limiter or free_ratio(1.0, 1), **settings)
        staging = tmp_path / f"staging{len(servers)}"
        servers.append(ReplayServer(tables, staging, restore_from, port))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def serve_run(tmp_path):
    """Returns a function that starts a replay server for a training and returns it and its
    address."""
    with contextlib.ExitStack() as opened:

        def start(training):
            spec = training.environment_factory.spec()
            run = RunDescription(
                describe_task(training.environment, spec), configuration_of(training).settings
            )
            tables = replay_server.make_run_tables(training.make_windows(spec), training)
            port = free_port()
            server = replay_server._Server(
                tmp_path / "server", port, training.total_steps, run, tables
            )
            opened.callback(server.close)
            return server, f"localhost:{port}"

        yield start
