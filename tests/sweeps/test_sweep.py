"""The runs of a sweep, which of them are finished, and the lock of its folder."""

from pathlib import Path

import pytest

from sac_tf.errors import ConfigurationError
from sac_tf.sweeps import sweep
from sac_tf.sweeps.settings import Setting


def _plan(root_dir, *bindings):
    settings = [Setting("a b", ("x.gin",), ("c.d = 1",)), Setting("e", (), ())]
    return sweep.plan(root_dir, settings, 2, gin_files=["task.gin"], gin_bindings=bindings)


def test_the_plan_has_each_seed_of_each_setting():
    runs = _plan(Path("r"), "f.g=2")
    assert [run.name for run in runs] == ["a_b/seed-0", "e/seed-0", "a_b/seed-1", "e/seed-1"]
    assert runs[2].root_dir == Path("r/a_b/seed-1")
    assert runs[2].gin_files == ("task.gin", "x.gin")
    assert runs[2].gin_bindings == ("f.g=2", "c.d = 1", "train.seed = 1")
    assert runs[3].gin_files == ("task.gin",)
    assert runs[3].gin_bindings == ("f.g=2", "train.seed = 1")


def test_a_run_is_finished_until_its_configuration_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("task.gin").write_text("include 'base.gin'\n")
    Path("base.gin").write_text("h.i = 1\n")
    Path("x.gin").write_text("j.k = 1\n")
    run, other, *_ = _plan(Path("r"))
    for each in (run, other):
        each.root_dir.mkdir(parents=True)
    run.note_finished()
    assert _plan(Path("r"))[0].is_finished() and not other.is_finished()
    assert not _plan(Path("r"), "train.total_steps = 3")[0].is_finished()
    Path("base.gin").write_text("h.i = 2\n")
    assert not run.is_finished()


def test_a_second_sweep_in_the_same_folder_raises(tmp_path):
    with (
        sweep.claim(tmp_path),
        pytest.raises(ConfigurationError, match="is in use by another sweep"),
        sweep.claim(tmp_path),
    ):
        pass
    with sweep.claim(tmp_path):
        pass
