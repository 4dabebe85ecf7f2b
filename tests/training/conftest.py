import pytest


@pytest.fixture
def without_export(monkeypatch):
    """Skips the export of the final policy, which takes as long as a small run."""
    monkeypatch.setattr("sac_tf.training.exporting.export", lambda *_: None)
