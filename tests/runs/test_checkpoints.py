import functools
import logging

import pytest
import tensorflow as tf

from sac_tf.agents.sac.state import TrainState
from sac_tf.errors import RunError
from sac_tf.networks.critic import make_critic
from sac_tf.runs.checkpoints import CheckpointStore, Progress, is_whole
from sac_tf.training.learner import restore_state


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


def test_saving_a_step_again_replaces_it(store):
    store.save(5, _write("first"))
    store.save(5, _write("second"))
    assert (store.latest() / "deep" / "file.txt").read_text() == "second"


@pytest.mark.parametrize("harm", ["truncate", "change", "remove", "no manifest", "half a manifest"])
def test_a_damaged_newest_one_falls_back_with_a_warning(store, caplog, harm):
    good, bad = store.save(1, _write("good")), store.save(2, _write("bad"))
    file, manifest = bad / "deep" / "file.txt", bad / "manifest.json"
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
    with pytest.raises(RunError, match="No checkpoint in .* is whole"):
        store.latest()


def test_a_save_that_fails_leaves_the_one_before(store, tmp_path):
    good = store.save(1, _write("good"))

    def fail(folder):
        _write("half")(folder)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        store.save(2, fail)
    assert store.latest() == good and is_whole(good)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [good.name]


def test_what_a_killed_save_left_does_no_harm(store, tmp_path):
    good = store.save(1, _write("good"))
    (tmp_path / "checkpoints" / ".step-000000002.unfinished" / "deep").mkdir(parents=True)
    assert store.latest() == good
    store.save(3, _write("next"))
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "step-000000001",
        "step-000000003",
    ]


def test_other_prefixes_are_not_resumed(store):
    good = store.save(1, _write("good"))
    assert store.save(2, _write("NaN"), prefix="diverged").name == "diverged-000000002"
    assert store.latest() == good


def test_progress_goes_through_a_file(tmp_path):
    Progress(step=12, elapsed=3.5).save(tmp_path)
    assert Progress.load(tmp_path) == Progress(12, 3.5)


@pytest.mark.parametrize(
    "other", [{"ensemble_size": 3}, {"ensemble_size": 1}, {"hidden_units": (4, 8)}]
)
def test_variables_that_other_code_made_are_one_sentence(spec, tmp_path, other):
    def state(**settings):
        return TrainState(
            spec,
            seed=0,
            critic=functools.partial(make_critic, **{"hidden_units": (8, 8), **settings}),
        )

    tf.train.Checkpoint(state=state(**other)).write(str(tmp_path / "state"))
    with pytest.raises(
        RunError, match=f"^{tmp_path} does not fit .* another version of sac_tf wrote it"
    ):
        restore_state(state(), tmp_path)
