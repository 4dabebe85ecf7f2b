import pytest

from sac_tf.distributed.rate_limits import free_ratio
from sac_tf.replay.tables import ReplayServer
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
