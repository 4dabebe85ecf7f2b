import pytest

from tests.binaries.running import SHORT, run_program


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Folder, output and error output of a short run."""
    root = tmp_path_factory.mktemp("runs") / "finished"
    code, out, err = run_program("train", f"--root_dir={root}", *SHORT)
    assert code == 0, err
    return root, out, err
