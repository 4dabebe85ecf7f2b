import pytest

from sac_tf.distributed.rate_limits import free_ratio
from sac_tf.replay.tables import ReplayServer
from tests.distributed.served import COLUMNS, make_run_tables


@pytest.fixture
def serve(tmp_path):
    """Returns a function that starts a replay server as a run has it, stopped after the test."""
    servers = []

    def start(limiter=None, restore_from=None, port=None, width=COLUMNS, **settings):
        tables = make_run_tables(width, limiter or free_ratio(1.0, 1), **settings)
        servers.append(
            ReplayServer(tables, tmp_path / f"staging{len(servers)}", restore_from, port)
        )
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
