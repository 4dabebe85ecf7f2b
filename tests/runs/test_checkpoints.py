"""Checkpoints: written atomically, checked when read, saved when a run fails."""

import functools
import logging

import pytest
import tensorflow as tf

from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac.state import SacState
from sac_tf.errors import ConfigurationError, Diverged, RunError
from sac_tf.networks.critic import make_critic
from sac_tf.runs.checkpoints import (
    CannotSave,
    CheckpointStore,
    Progress,
    is_intact,
    read_state,
    saved_on_error,
    write_state,
    writing,
)


def _write(text):
    def write(folder):
        (folder / "deep").mkdir()
        (folder / "deep" / "file.txt").write_text(text)

    return write


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(tmp_path / "checkpoints", keep=2)


def test_the_last_two_are_kept(store, tmp_path):
    assert store.latest() is None
    for step in (5, 100, 20_000):
        store.save(step, _write(str(step)))
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "step-000000100",
        "step-000020000",
    ]
    assert (store.latest() / "deep" / "file.txt").read_text() == "20000"


@pytest.mark.parametrize("name", ["lr [0.1]", "a\\b"])
def test_folders_that_tensorflow_cannot_read_are_refused(tmp_path, name):
    """Checkpoints could be written there, and no run could resume from them."""
    with pytest.raises(ConfigurationError, match="rename the folder"):
        CheckpointStore(tmp_path / name / "checkpoints")


def test_a_state_is_read_from_a_folder_with_an_odd_name(tmp_path):
    folder = tmp_path / "run *?% ] é" / "checkpoints"
    state = tf.Module()
    state.number = tf.Variable(7)
    checkpoint = CheckpointStore(folder).save(1, functools.partial(write_state, state))
    state.number.assign(0)
    read_state(state, checkpoint)
    assert state.number.numpy() == 7


def test_saving_a_step_again_replaces_it(store):
    store.save(5, _write("first"))
    store.save(5, _write("second"))
    assert (store.latest() / "deep" / "file.txt").read_text() == "second"


@pytest.mark.parametrize("harm", ["truncate", "change", "remove", "no manifest", "half a manifest"])
def test_a_damaged_checkpoint_is_skipped_with_a_warning(store, caplog, harm):
    good = store.save(1, _write("good"))
    bad = store.save(2, _write("bad"))
    file = bad / "deep" / "file.txt"
    manifest = bad / "manifest.json"
    {
        "truncate": lambda: file.write_text("b"),
        "change": lambda: file.write_text("bed"),
        "remove": file.unlink,
        "no manifest": manifest.unlink,
        "half a manifest": lambda: manifest.write_text(manifest.read_text()[:10]),
    }[harm]()
    with caplog.at_level(logging.WARNING):
        assert store.latest() == good
    assert "step-000000002 is damaged" in caplog.text


def test_all_damaged_is_an_error_and_not_a_fresh_start(store):
    (store.save(1, _write("x")) / "manifest.json").unlink()
    with pytest.raises(RunError, match="All checkpoints in .* are damaged"):
        store.latest()


def test_a_save_that_fails_changes_nothing(store, tmp_path):
    good = store.save(1, _write("good"))

    def fail(folder):
        _write("half")(folder)
        raise OSError("disk full")

    with pytest.raises(CannotSave, match="disk full"):
        store.save(2, fail)
    assert store.latest() == good and is_intact(good)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [good.name]


def test_files_of_a_killed_save_are_removed(store, tmp_path):
    good = store.save(1, _write("good"))
    (tmp_path / "checkpoints" / ".step-000000002.unfinished" / "deep").mkdir(parents=True)
    assert store.latest() == good
    store.save(3, _write("next"))
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "step-000000001",
        "step-000000003",
    ]


@pytest.mark.parametrize(
    ("cost", "elapsed", "expected"),
    [(1.9, 0, True), (3, 59, False), (3, 60, True), (120, 2399, False), (120, 2401, True)],
)
def test_checkpoints_take_less_than_5_percent_of_the_time(tmp_path, cost, elapsed, expected):
    now = [100.0]
    store = CheckpointStore(tmp_path, clock=lambda: now[0])
    assert store.is_affordable()

    def write(folder):
        now[0] += cost

    store.save(1, write)
    now[0] += elapsed
    assert store.is_affordable() == expected


def test_other_prefixes_are_not_resumed(store):
    good = store.save(1, _write("good"))
    assert store.save(2, _write("NaN"), prefix="diverged").name == "diverged-000000002"
    assert store.latest() == good


def test_progress_is_saved_and_loaded(tmp_path):
    Progress(step=12, elapsed=3.5).save(tmp_path)
    assert Progress.load(tmp_path) == Progress(12, 3.5)


@pytest.mark.parametrize(
    "other", [{"ensemble_size": 3}, {"ensemble_size": 1}, {"hidden_units": (4, 8)}]
)
def test_other_variables_are_refused_in_one_sentence(spec, tmp_path, other):
    def state(**settings):
        return SacState(
            spec,
            seed=0,
            discount=0.99,
            policy=make_policy,
            critic=functools.partial(make_critic, **{"hidden_units": (8, 8), **settings}),
        )

    tf.train.Checkpoint(state=state(**other)).write(str(tmp_path / "state"))
    with pytest.raises(
        RunError, match=f"^{tmp_path} does not fit .* another version of sac_tf wrote it"
    ):
        read_state(state(), tmp_path)


def _saved(tmp_path, error, save_error=None):
    """Returns what is raised instead of `error`, and the prefixes of saved checkpoints."""
    prefixes = []

    def save(prefix):
        prefixes.append(prefix)
        if save_error is not None:
            raise save_error
        return tmp_path / f"{prefix}-000000007"

    with pytest.raises(Exception) as caught, saved_on_error(save):
        raise error
    return caught.value, prefixes


@pytest.mark.parametrize(
    ("error", "prefix", "words"),
    [
        (RunError("Reverb is gone."), "step", "Reverb is gone."),
        (Diverged("loss is nan."), "diverged", "loss is nan."),
        (ZeroDivisionError("by\nzero"), "step", "Unexpected ZeroDivisionError (by zero)."),
        (TimeoutError("5 s"), "step", "Unexpected TimeoutError (5 s)."),
        (ConnectionResetError(104, "reset"), "step", "Unexpected ConnectionResetError ("),
        (SystemExit(3), "step", "Unexpected SystemExit (3)."),
    ],
)
def test_a_failure_saves_a_checkpoint_and_names_it(tmp_path, error, prefix, words):
    raised, prefixes = _saved(tmp_path, error)
    assert type(raised) is RunError and raised.__cause__ is error and prefixes == [prefix]
    assert str(raised).startswith(words)
    assert str(raised).endswith(f". All that was collected is in {tmp_path}/{prefix}-000000007.")


def test_a_configuration_error_saves_and_is_raised_unchanged(tmp_path):
    error = ConfigurationError("export.format is unknown.")
    assert _saved(tmp_path, error) == (error, ["step"])


def test_a_failure_to_save_does_not_hide_the_first_one(tmp_path):
    raised, _ = _saved(tmp_path, RunError("Joint 3 broke."), OSError("disk full"))
    assert str(raised) == (
        "Joint 3 broke. What was collected since the last checkpoint is lost: "
        "Unexpected OSError (disk full)."
    )


def test_a_checkpoint_that_failed_is_not_written_again(store, tmp_path):
    def fail(folder):
        raise OSError("disk full")

    with pytest.raises(CannotSave) as caught:
        store.save(1, fail)
    raised, prefixes = _saved(tmp_path, caught.value)
    assert raised is caught.value and prefixes == []
    place = tmp_path / "checkpoints"
    assert str(raised) == f"Cannot write in {place} (disk full); its checkpoints are unchanged."


@pytest.mark.parametrize(
    "error", [OSError("disk full"), tf.errors.ResourceExhaustedError(None, None, "disk full")]
)
def test_another_file_that_cannot_be_written_is_named(tmp_path, error):
    words = f"^Cannot write in {tmp_path} .*disk full"
    with pytest.raises(RunError, match=words), writing(tmp_path):
        raise error
