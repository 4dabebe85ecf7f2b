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


def _metrics(run, step, updates_per_second):
    run.root_dir.mkdir(parents=True, exist_ok=True)
    (run.root_dir / "config.gin").write_text("train.total_steps = 10000\n")
    (run.root_dir / "metrics.csv").write_text(
        f"step,updates_per_second,steps_per_second\n{step},{updates_per_second},50\n"
    )


def test_the_time_left_is_shown_once_all_active_runs_learn(tmp_path):
    first, second, *_ = _plan(tmp_path)
    with sweep.claim(tmp_path) as lock:
        active = sweep.Sweep([first, second], 2, lock, command=lambda run: [])
    active._active = {first: None, second: None}
    assert active._progress(2) == "a_b/seed-0 at 0; e/seed-0 at 0"
    _metrics(first, 4000, 50)
    _metrics(second, 1000, 0)
    assert active._progress(2) == "a_b/seed-0 at 4,000; e/seed-0 at 1,000"
    _metrics(second, 1000, 50)
    # (10,000 - 1,000) / 50 s, and two more runs of 10,000 / 50 s each on two cores.
    assert active._progress(2).endswith("; about 7 minutes left")
    assert active._progress(0).endswith("; about 3 minutes left")
