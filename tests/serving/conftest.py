"""An exported policy that the tests of this folder share."""

from pathlib import Path

import pytest

from sac_tf.agents.sac.state import SacState
from tests.serving.exported import write


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory) -> tuple[Path, SacState]:
    """An exported SavedModel, which tests must not change, and the state that it was exported
    from."""
    folder = tmp_path_factory.mktemp("exported") / "policy"
    return folder, write(folder)
