"""Paths of programs: from any working directory, with `~`, and with tasks that change it."""

import importlib
from pathlib import Path

import pytest
from absl import flags

from sac_tf.errors import ConfigurationError
from sac_tf.files import absolute
from tests.binaries.running import SHORT, call_program, imported

_TEXTS = {"replay_address", "collector_id", "demonstrator", "y"}
"""String flags that are no paths."""
_IDS_OR_PATHS = {"record": {"output"}}
"""Flags that may be an id of Minari, by program: `new_dataset` makes a path absolute."""

CHANGING = [
    "--gin_bindings=train.environment='tests.tasks:ChangesDirectory-v0'",
    "--gin_bindings=train.total_steps=60",
    "--gin_bindings=train.random_steps=20",
    "--gin_bindings=train.evaluation_period=60",
    "--gin_bindings=train.checkpoint_period=30",
    "--gin_bindings=train.batch_size=8",
    "--gin_bindings=update.updates_per_call=1",
    "--gin_bindings=actor.hidden_units=(8,)",
    "--gin_bindings=critic.hidden_units=(8,)",
]


def _programs():
    folder = Path(importlib.import_module("binaries").__path__[0])
    files = sorted(folder.glob("*.py"))
    return [path.stem for path in files if 'if __name__ == "__main__"' in path.read_text()]


def _flags_of(program):
    return flags.FLAGS.get_flags_for_module(f"binaries.{program}")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder above a run, which was given as a relative path to a task that leaves it."""
    folder = tmp_path_factory.mktemp("working")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        code, out, err = call_program("train", "--root_dir=runs/first", *CHANGING)
    assert code == 0, err
    assert f"{folder}/runs/first/policy" in out
    return folder


@pytest.mark.parametrize("program", _programs())
def test_every_path_flag_is_absolute(program, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    with imported(program):
        given = {flag.name: flag for flag in _flags_of(program)}
        texts = {name for name, flag in given.items() if flag.flag_type() == "string"}
        paths = {name for name, flag in given.items() if flag.flag_type() == "path"}
        assert texts <= _TEXTS | _IDS_OR_PATHS.get(program, set())
        assert paths or program == "status"
        for name in paths:
            assert given[name].parser.parse("~/runs/x") == Path("/home/ada/runs/x")
            assert given[name].parser.parse("runs/x") == tmp_path / "runs/x"


@pytest.mark.parametrize("program", _programs())
def test_help_says_once_that_a_flag_is_repeatable(program):
    with imported(program):
        for flag in _flags_of(program):
            if flag.flag_type().startswith("multi"):
                assert flag.help.count("repeat") == 1 and ".;" not in flag.help


def test_a_task_may_change_the_working_directory(run):
    files = {path.name for path in (run / "runs/first").iterdir()}
    assert files >= {
        "checkpoints",
        "config.gin",
        "evaluations.csv",
        "learning_curve.png",
        "metrics.csv",
        "policy",
        "tensorboard",
    }
    assert [path.name for path in run.iterdir()] == ["runs"]


def test_relative_paths_hold_after_the_change(run, monkeypatch):
    """Of evaluate, export_policy and plot."""
    monkeypatch.chdir(run)
    code, out, err = call_program("evaluate", "--root_dir=runs/first", "--episodes=2")
    assert code == 0 and f"{run}/runs/first/checkpoints" in out, err
    monkeypatch.chdir(run)
    code, _, err = call_program("export_policy", "--root_dir=runs/first", "--export_dir=out")
    assert code == 0 and (run / "out/saved_model.pb").is_file(), err
    monkeypatch.chdir(run)
    code, _, err = call_program("evaluate", "--policy=out", "--episodes=2")
    assert code == 0, err
    monkeypatch.chdir(run)
    code, _, err = call_program("plot", "runs/first", "--output=curves.png")
    assert code == 0 and (run / "curves.png").is_file(), err


def test_a_run_to_start_from_is_a_path_too(run, monkeypatch):
    """Relative to the working directory at the start; a resume from elsewhere names it in full."""
    monkeypatch.chdir(run)
    start = "--gin_bindings=train.initialize_from='{}'"
    settings = [*CHANGING, start.format("runs/first")]
    code, out, err = call_program("train", "--root_dir=runs/second", *settings)
    assert code == 0 and f"of {run}/runs/first at step 60" in out, err
    for folder, path in (("/", f"{run}/runs/first"), (run, "runs/../runs/first"), (run, "first")):
        monkeypatch.chdir(folder)
        settings = [*CHANGING, start.format(path)]
        code, out, err = call_program("train", f"--root_dir={run}/runs/second", *settings)
        expected = (0, "") if folder == "/" else (2, f"now '{run}/{path}'")
        assert code == expected[0] and expected[1] in err


def test_the_home_directory_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    code, _, err = call_program("evaluate", "--root_dir=~/runs/none")
    assert code == 2 and err == (
        f"--root_dir={tmp_path}/runs/none holds no run (there is no "
        f"{tmp_path}/runs/none/config.gin).\n"
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [("", "A path is missing"), ("~no_such_user/x", "home directory in ~no_such")],
)
def test_a_path_that_cannot_be_is_refused(path, words):
    with pytest.raises(ConfigurationError, match=words):
        absolute(path)
    code, out, err = call_program("train", f"--root_dir={path}", *SHORT)
    assert code == 2 and words in err and out == "" and len(err.splitlines()) == 1
