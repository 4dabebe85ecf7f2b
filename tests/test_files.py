"""Files that are written atomically."""

from pathlib import Path

import pytest

from sac_tf import files


def test_a_write_that_fails_leaves_the_file_unchanged(tmp_path, monkeypatch):
    path = tmp_path / "evaluations.csv"
    files.write_at_once(path, "first")
    monkeypatch.setattr(Path, "replace", lambda *_: pytest.fail("killed here"))
    with pytest.raises(pytest.fail.Exception):
        files.write_at_once(path, "second")
    assert path.read_text() == "first"
