"""Offline training: a run on a data set is repeatable and resumable, and its folder is that of any
run."""

import shutil

import gin
import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.training import offline
from sac_tf.training.load_policy import load_policy
from sac_tf.training.offline import OfflineSettings
from sac_tf.training.train import Training
from tests.binaries.running import call_program
from tests.minari_data import play, write
from tests.training.left_behind import killed, last_checkpoint, read_rows, saved_steps, updates_done
from tests.training.small_runs import small_training

POINT = "tests.tasks:Point-v0"
SMALL = [
    f"train.environment = '{POINT}'",
    "train.batch_size = 16",
    "actor.hidden_units = (8,)",
    "critic.hidden_units = (8,)",
    "update.updates_per_call = 2",
    "Evaluator.episodes = 2",
    "RunLog.period = 20",
    "train_offline.updates = 60",
    "train_offline.evaluation_period = 30",
    "train_offline.checkpoint_period = 20",
]


@pytest.fixture(scope="module")
def played():
    """Eight episodes of ten steps."""
    return play(gymnasium.make(POINT), 8)


@pytest.fixture(scope="module")
def dataset(minari_store, played):
    return write("point/random-v0", played, gymnasium.make(POINT))


def _run(root, dataset, *bindings, files=()):
    gin.clear_config()
    name = f"train_offline.dataset = '{dataset}'"
    gin.parse_config_files_and_bindings(list(files), [*SMALL, name, *bindings])
    return offline.run(str(root), Training(), OfflineSettings())


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory):
    """The folder of a run, normalized by the statistics of the data set."""
    root = tmp_path_factory.mktemp("offline")
    outcome = _run(root, dataset, files=["gin_configs/normalized.gin"])
    assert outcome.step == 60 and outcome.evaluation.episodes == 2
    return root


def _state(root):
    reader = tf.train.load_checkpoint(str(last_checkpoint(root) / "state"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names}


def test_the_files_count_updates(finished):
    assert [row[0] for row in read_rows(finished)] == ["step", "30", "60"]
    rows = read_rows(finished, "metrics.csv")
    metrics = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert [row["step"] for row in metrics] == ["20", "40", "60"]
    assert all(float(row["critic_loss"]) > 0 and row["replay_size"] == "80" for row in metrics)
    assert updates_done(finished) == 60
    checkpoints = {path.name for path in (finished / "checkpoints").glob("step-*")}
    assert checkpoints == {"step-000000040", "step-000000060"}


def test_observations_are_normalized_by_the_data_set(finished, played):
    state = _state(finished)
    (mean,) = (state[name] for name in state if "policy" in name and "/mean/0/" in name)
    observed = np.concatenate([episode.observations[:-1] for episode in played])
    np.testing.assert_allclose(mean, observed.mean(0), rtol=1e-5)


@pytest.mark.usefixtures("without_export")
def test_a_killed_run_resumes_with_the_same_bytes(finished, dataset, tmp_path):
    """Its newest checkpoint is lost, and its data set is read again."""
    root = killed(finished, tmp_path / "resumed")
    _run(root, dataset, files=["gin_configs/normalized.gin"])
    assert read_rows(root) == read_rows(finished)
    assert read_rows(root, "metrics.csv") == read_rows(finished, "metrics.csv")
    expected = _state(finished)
    found = _state(root)
    assert found.keys() == expected.keys()
    assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)
    scale = "reward_scale.json"
    assert (last_checkpoint(root) / scale).read_text() == (
        last_checkpoint(finished) / scale
    ).read_text()


@pytest.mark.usefixtures("without_export")
def test_more_updates_continue_a_complete_run(finished, dataset, tmp_path):
    root = shutil.copytree(finished, tmp_path / "more")
    files = ["gin_configs/normalized.gin"]
    assert _run(root, dataset, "train_offline.updates = 70", files=files).step == 70
    with pytest.raises(ConfigurationError, match="train_offline.updates=8 is below the 70 updates"):
        _run(root, dataset, "train_offline.updates = 8", files=files)
    with pytest.raises(ConfigurationError, match="evaluation_period was 30, now 31"):
        _run(root, dataset, "train_offline.evaluation_period = 31", files=files)


def test_the_programs_work_on_the_folder(finished, tmp_path):
    code, out, err = call_program("evaluate", f"--root_dir={finished}", "--episodes=1")
    assert code == 0 and f"{POINT}, policy of step 60" in out, err
    exported = tmp_path / "policy"
    code, _, err = call_program(
        "export_policy", f"--root_dir={finished}", f"--export_dir={exported}"
    )
    assert code == 0, err
    code, _, err = call_program("plot", f"--output={tmp_path / 'curve.png'}", str(finished))
    assert code == 0, err
    observation = np.float32([[3, 1, 0], [-0.5, 0.2, 1]])
    actions = load_policy(finished).act(observation)
    np.testing.assert_array_equal(load_policy(exported).act(observation), actions)
    np.testing.assert_array_equal(load_policy(finished / "policy").act(observation), actions)


@pytest.mark.usefixtures("without_export")
def test_a_run_starts_from_it_and_it_from_the_steps_of_a_run(finished, tmp_path, capsys):
    """Online training from an offline run, then offline training on what that run collected."""
    online = small_training(
        "train.total_steps = 110",
        "actor.hidden_units = (8,)",
        "critic.hidden_units = (8,)",
        files=["gin_configs/normalized.gin"],
        environment=POINT,
        initialize_from=str(finished),
    )
    online.run(str(tmp_path / "online"))
    assert f"of {finished} at step 60" in capsys.readouterr().out
    _run(tmp_path / "offline", tmp_path / "online", f"train.initialize_from = '{finished}'",
         files=["gin_configs/normalized.gin"])  # fmt: skip
    steps = len(saved_steps(last_checkpoint(tmp_path / "online")))
    size = read_rows(tmp_path / "offline", "metrics.csv")[-1]
    columns = read_rows(tmp_path / "offline", "metrics.csv")[0]
    assert size[columns.index("replay_size")] == str(steps) == "110"


@pytest.mark.parametrize(
    ("name", "bindings", "words"),
    [
        ("point/random-v0", ["train.total_steps = 9"], "train.total_steps has no effect"),
        ("point/random-v0", ["tables.capacity = 9"], "tables.capacity has no effect"),
        ("point/random-v0", ["train_offline.updates = 0"], "must be an integer of at least 1"),
        ("point/random-v0", ["train_offline.held_out = 1.0"], "from 0 on and below 1, got 1.0"),
        ("point/random-v0", ["train_offline.held_out = 0.1"], "holds out none of the 8 episodes"),
        ("", [], "train_offline.dataset must be the id of a Minari data set or a folder, got ''"),
        ("nothing/at-v0", [], "There is no data set nothing/at-v0"),
        ("tests", [], "/tests is neither the folder of a run nor of a Minari data set"),
    ],
)
def test_a_mistake_is_refused(dataset, tmp_path, name, bindings, words):
    with pytest.raises(ConfigurationError, match=words):
        _run(tmp_path / "run", name, *bindings)


def test_a_run_of_another_task_is_refused(finished, tmp_path):
    """An offline run stands for its data set."""
    other = "train.environment = 'Pendulum-v1'"
    with pytest.raises(ConfigurationError, match=r"is not of Pendulum-v1: it has actions"):
        _run(tmp_path / "run", finished, other)


def test_a_run_needs_no_task(dataset, tmp_path):
    """Its spaces are those of the data set; two of the eight episodes are held out."""
    flags = [f"--gin_bindings={one}" for one in SMALL if not one.startswith("train.environment")]
    data = f"--gin_bindings=train_offline.dataset='{dataset}'"
    held_out = "--gin_bindings=train_offline.held_out=0.25"
    root = tmp_path / "run"
    code, out, err = call_program("train_offline", f"--root_dir={root}", *flags, data, held_out)
    assert code == 0 and "No evaluation (Evaluator.episodes = 0)" in out, err
    assert "Next: python -m binaries.export_policy" in out and "binaries.evaluate" not in out
    rows = read_rows(root, "metrics.csv")
    metrics = dict(zip(rows[0], rows[-1], strict=True))
    assert metrics["replay_size"] == "60"
    assert 0 < float(metrics["held_out_action_error"]) < 4
    assert float(metrics["held_out_td_error"]) > 0
    assert load_policy(root / "policy").act(np.zeros((1, 3), np.float32)).shape == (1, 1)
    code, _, err = call_program("evaluate", f"--root_dir={root}")
    assert code == 1 and "had no train.environment: its policy can only be exported" in err


def test_files_of_tasks_may_have_settings_of_collecting(dataset):
    task = "--gin_file=gin_configs/tasks/pendulum.gin"
    images = "--gin_file=gin_configs/drq.gin"
    code, out, err = call_program("train_offline", task, images, "--print_config")
    assert code == 0 and "train.total_steps" not in out and "tables." not in out, err
    code, _, err = call_program(
        "train_offline", task, "--print_config", "--gin_bindings=train.total_steps=9"
    )
    assert code == 2 and "train.total_steps has no effect" in err


def test_the_program_prints_its_results(dataset, tmp_path):
    flags = [f"--gin_bindings={binding}" for binding in SMALL]
    dataset = f"--gin_bindings=train_offline.dataset='{dataset}'"
    root = f"--root_dir={tmp_path / 'run'}"
    code, out, err = call_program("train_offline", root, *flags, dataset)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].startswith("update 30: evaluation return ")
    assert lines[2].startswith("Done: 60 updates. Evaluation return ")
    assert not any("normalized:" in line for line in lines)  # no reference for this task
    code, out, err = call_program("train_offline", root, *flags)
    assert code == 2 and err == "Give train_offline.dataset, by --gin_file or --gin_bindings.\n"
    code, out, _ = call_program("train_offline", "--print_config")
    assert code == 0 and "\n# train_offline.dataset = (required)\n" in out
    assert "\ntrain_offline.updates = 100000\n" in out and "train.total_steps" not in out
