"""Runs with prior data: its share of every minibatch, and a resumed run."""

import json

import gin
import gymnasium
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay.rewards import REWARD_SCALE
from tests.minari_data import play, write
from tests.training.left_behind import final_state, killed, last_checkpoint, read_rows
from tests.training.small_runs import small_training

pytestmark = pytest.mark.usefixtures("without_export")

POINT = "tests.tasks:Point-v0"
SHIFT = 1000
"""Added to the first observation of prior data."""
shares = []


@gin.configurable(module="tests")
def count_prior_rows(state, batch):
    """Records how many rows of each minibatch are prior data, and the rows of a minibatch."""
    del state
    is_prior = batch.observation[:, 0] > SHIFT / 2
    counted = tf.math.count_nonzero(is_prior, dtype=tf.int32), tf.size(is_prior)
    with tf.control_dependencies(
        [tf.numpy_function(lambda *counts: shares.append(tuple(map(int, counts))), counted, [])]
    ):
        return tf.nest.map_structure(tf.identity, batch)


@pytest.fixture(scope="module")
def dataset(minari_store):
    """Episodes that no run of the task has."""
    environment = gymnasium.make(POINT)
    episodes = play(environment, 3)
    for episode in episodes:
        episode.observations[:, 0] += SHIFT
    return write("point/shifted-v0", episodes, environment)


def _run(root, dataset, *bindings, **settings):
    settings = {"environment": POINT, "evaluation_period": 1000, "total_steps": 130, **settings}
    training = small_training(
        "critic.ensemble_size = 2",
        "train.updates_per_step = 2",
        "update.updates_per_call = 2",
        "sac_steps.critic_steps_per_actor_step = 2",
        f"prior_data.dataset = '{dataset}'",
        *bindings,
        files=["gin_configs/rlpd.gin"],
        **settings,
    )
    return training.run(str(root))


def test_reward_statistics_have_the_prior_data_too(dataset, tmp_path):
    """Three episodes of ten steps, and the run."""
    _run(tmp_path, dataset, "train.rewards = @RunningRewardScale")
    assert json.loads((last_checkpoint(tmp_path) / REWARD_SCALE).read_text())["count"] == 30 + 130


@pytest.mark.parametrize("sampler", ["ResidentSampler", "ReverbSampler"])
def test_every_minibatch_is_half_prior_data(dataset, tmp_path, sampler):
    """Of 2 updates for each of 10 steps, each on 16 rows."""
    shares.clear()
    bindings = ["train.transforms = [@count_prior_rows]", f"BatchReader.sampler = @{sampler}"]
    _run(tmp_path, dataset, *bindings, total_steps=110)
    assert len(shares) == 20 and set(shares) == {(8, 16)}


def test_a_quarter_without_an_ensemble(dataset, tmp_path):
    """Plain SAC with one update for each step."""
    shares.clear()
    training = small_training(
        "train.prior_data = @prior_data",
        "prior_data.fraction = 0.25",
        f"prior_data.dataset = '{dataset}'",
        "train.transforms = [@count_prior_rows]",
        environment=POINT,
        total_steps=110,
    )
    training.run(str(tmp_path))
    assert shares == [(4, 16)] * 10


def test_a_killed_run_resumes_with_the_same_bytes(dataset, tmp_path):
    """Its statistics of observations are those of the data set and of the run."""
    bindings = [
        "import sac_tf.networks.running_normalization",
        "actor.normalization = @RunningNormalization",
        "critic.normalization = @RunningNormalization",
    ]
    whole = tmp_path / "whole"
    _run(whole, dataset, *bindings, checkpoint_period=120)
    resumed = killed(whole, tmp_path / "resumed")
    _run(resumed, dataset, *bindings, checkpoint_period=120)
    assert read_rows(resumed) == read_rows(whole)
    assert final_state(resumed) == final_state(whole)
    reader = tf.train.load_checkpoint(str(last_checkpoint(whole) / "state"))
    (count,) = (reader.get_tensor(name) for name in _counts(reader) if "policy" in name)
    assert count == 30 + 130


def _counts(reader):
    names = reader.get_variable_to_shape_map()
    return [name for name in names if "moments/count/" in name and "OBJECT" not in name]


@pytest.mark.parametrize(
    ("bindings", "settings", "words"),
    [
        (["prior_data.dataset = None"], {}, "prior_data.dataset must be the id of a Minari data"),
        (["prior_data.fraction = 1.0"], {}, "prior_data.fraction must be a number above 0 and"),
        ([], {"batch_size": 15}, "train.batch_size=15 cannot be mixed in the fractions 1/2"),
        ([], {"environment": "Pendulum-v1"}, "is not of Pendulum-v1: it has actions"),
    ],
)
def test_a_mistake_is_refused(dataset, tmp_path, bindings, settings, words):
    with pytest.raises(ConfigurationError, match=words):
        _run(tmp_path, dataset, *bindings, **settings)
