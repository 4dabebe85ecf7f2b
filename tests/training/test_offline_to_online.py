"""Online training from an offline run: a warm-up in which nothing is learned, and the data set kept
in the replay, or half of each batch."""

import gin
import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from sac_tf.replay.dataset import MinariEpisodes
from sac_tf.runs import task_spec
from sac_tf.training import offline
from sac_tf.training.datasets import ReplayEpisodes
from sac_tf.training.load_policy import load_policy
from sac_tf.training.offline import OfflineSettings
from sac_tf.training.outcome import lowest_evaluation
from sac_tf.training.train import Training
from tests.minari_data import play, write
from tests.training.left_behind import last_checkpoint, updates_done
from tests.training.small_runs import small_training

POINT = "tests.tasks:Point-v0"
NETWORKS = ["actor.hidden_units = (8,)", "critic.hidden_units = (8,)"]
OBSERVATIONS = np.float32([[3, 1, 0], [-0.5, 0.2, 1]])

pytestmark = pytest.mark.usefixtures("without_export")


def _learn_offline(root, variant, dataset):
    gin.clear_config()
    bindings = [
        f"train.environment = '{POINT}'",
        f"train_offline.dataset = '{dataset}'",
        "train_offline.updates = 20",
        "train.batch_size = 16",
        "update.updates_per_call = 1",
        "Evaluator.episodes = 0",
        *NETWORKS,
    ]
    gin.parse_config_files_and_bindings([f"gin_configs/{variant}.gin"], bindings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sac_tf.training.exporting.export", lambda *_: None)
        offline.run(str(root), Training(), OfflineSettings())
    return root


def _learn_online(root, source, steps, *bindings, files=()):
    settings = {"initialize_from": str(source), "total_steps": steps, "random_steps": 0}
    periods = {"evaluation_period": 100, "checkpoint_period": 100, "environment": POINT}
    without_evaluations = "Evaluator.episodes = 0"
    small_training(
        without_evaluations, *NETWORKS, *bindings, files=files, **settings, **periods
    ).run(str(root))


@pytest.fixture(scope="module")
def dataset(minari_store):
    """Eight episodes of ten steps."""
    environment = gymnasium.make(POINT)
    return write("point/eight-v0", play(environment, 8), environment)


@pytest.fixture(scope="module")
def cal_ql(dataset, tmp_path_factory):
    return _learn_offline(tmp_path_factory.mktemp("offline") / "cal_ql", "cal_ql", dataset)


def _actor(root):
    reader = tf.train.load_checkpoint(str(last_checkpoint(root) / "state"))
    names = [name for name in reader.get_variable_to_shape_map() if "state/policy/" in name]
    return {name: reader.get_tensor(name) for name in names if "OPTIMIZER" not in name}


def test_a_warm_up_changes_nothing_and_is_followed_by_learning(cal_ql, tmp_path):
    """SAC from Cal-QL, with the data of the offline run as half of each batch. The run is stopped
    within the warm-up and resumed."""
    root = tmp_path / "online"
    bindings = [
        "Initialization.warm_up_steps = 60",
        "train.prior_data = @prior_data",
        f"prior_data.dataset = '{cal_ql}'",
    ]
    copied = _actor(cal_ql)
    for steps, updates in ((30, 0), (80, 20)):
        _learn_online(root, cal_ql, steps, *bindings)
        assert updates_done(root) == updates
        found = _actor(root)
        assert found.keys() == copied.keys()
        is_same = all(np.array_equal(found[name], copied[name]) for name in copied)
        assert is_same == (updates == 0)


def test_cal_ql_keeps_its_data_and_their_returns(cal_ql, dataset, tmp_path):
    """It is calibrated online too: its own episodes have returns to go."""
    root = tmp_path / "online"
    _learn_online(
        root, cal_ql, 30, "Initialization.replay = True", files=["gin_configs/cal_ql.gin"]
    )
    spec = task_spec.load(root)
    kept = list(ReplayEpisodes.open(root, POINT, spec))
    data = list(MinariEpisodes.open(dataset, POINT, spec))
    assert len(kept) == len(data) + 3 and updates_done(root) == 30
    for mine, theirs in zip(kept, data, strict=False):
        np.testing.assert_array_equal(mine.observation, theirs.observation)
        np.testing.assert_array_equal(mine.action, theirs.action)


def test_sac_starts_with_the_mean_action_of_iql(dataset, tmp_path):
    iql = _learn_offline(tmp_path / "iql", "iql", dataset)
    heads = ["import sac_tf.networks.heads", "actor.heads = @state_independent_std"]
    parts = "Initialization.parts = ('actor', 'critics')"
    warm_up = "Initialization.warm_up_steps = 20"
    _learn_online(tmp_path / "sac", iql, 20, *heads, parts, warm_up)
    actions = load_policy(iql).act(OBSERVATIONS)
    np.testing.assert_allclose(load_policy(tmp_path / "sac").act(OBSERVATIONS), actions, atol=1e-6)


def _evaluated(root, *returns):
    root.mkdir()
    rows = [f"{10 * number},{value}" for number, value in enumerate(returns, start=1)]
    (root / "evaluations.csv").write_text("\n".join(["step,return_mean", *rows, ""]))
    return root


def test_the_lowest_evaluation_is_next_to_the_start(tmp_path):
    there = _evaluated(tmp_path / "there", 120.0, 100.0)
    here = _evaluated(tmp_path / "here", 90.0, 75.0, 130.0)
    below = _evaluated(tmp_path / "below", -300.0)
    expected = f"{there} ended with 100.0; lowest evaluation 75.0, 75% of it, at step 20."
    assert lowest_evaluation(here, str(there)) == expected
    assert lowest_evaluation(here, str(below)).endswith(
        "with -300.0; lowest evaluation 75.0, at step 20."
    )
    assert lowest_evaluation(here, str(tmp_path)) is None
    assert lowest_evaluation(here, None) is None
