"""One exported policy for all tests that change nothing in it."""

from pathlib import Path

import pytest

from sac_tf.agents.sac.state import TrainState
from tests.serving.exported import write


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory) -> tuple[Path, TrainState]:
    """An exported SavedModel that no test changes, and the state it came from."""
    folder = tmp_path_factory.mktemp("exported") / "policy"
    return folder, write(folder)
