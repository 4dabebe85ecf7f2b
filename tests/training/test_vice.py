"""Runs with VICE: the reward of goal observations is learned, and learned from; a killed run."""

import shutil

import gymnasium
import numpy as np
import pytest

from sac_tf.errors import ConfigurationError, RunError
from tests.minari_data import play, write
from tests.training.left_behind import final_state, killed, last_metrics, read_rows
from tests.training.small_runs import small_training

pytestmark = pytest.mark.usefixtures("without_export")

REACHING = "tests.tasks:Reaching-v0"


@pytest.fixture(scope="module")
def dataset(minari_store):
    """Episodes that end with the first number at 0; the others are drawn at random."""
    environment = gymnasium.make(REACHING)
    act = lambda observation: np.clip(-10 * observation[:1], -1, 1)  # noqa: E731
    return write("point/goals-v0", play(environment, 40, act=act), environment)


def _training(dataset, *bindings, **settings):
    return small_training(
        "import sac_tf.networks.running_normalization",
        "classifier.normalization = @RunningNormalization",
        "classifier.hidden_units = (16,)",
        "update.updates_per_call = 4",
        f"vice.dataset = '{dataset}'",
        *bindings,
        files=["gin_configs/vice.gin"],
        environment=REACHING,
        **settings,
    )


def test_a_killed_run_resumes_with_the_same_bytes(dataset, tmp_path):
    """Classifier, its optimizer and its statistics among them."""
    settings = {"total_steps": 130, "checkpoint_period": 115, "evaluation_period": 1000}
    whole = tmp_path / "whole"
    _training(dataset, **settings).run(str(whole))
    resumed = killed(whole, tmp_path / "resumed")
    _training(dataset, **settings).run(str(resumed))
    assert read_rows(resumed) == read_rows(whole)
    states = [final_state(root) for root in (whole, resumed)]
    assert states[0] == states[1]
    assert any(name.startswith("state/classifier/optimizer/") for name in states[0])
    assert any(name.startswith("state/goals/") for name in states[0])


def test_another_number_of_goals_is_refused(minari_store, tmp_path):
    environment = gymnasium.make(REACHING)
    goals = tmp_path / "goals"
    for number in (3, 2):
        name = write(f"point/{number}-v0", play(environment, number), environment)
        shutil.rmtree(goals, ignore_errors=True)
        shutil.copytree(minari_store / name, goals)
        training = _training(goals, total_steps=100 + 10 * (4 - number), evaluation_period=1000)
        if number == 3:
            training.run(str(tmp_path / "run"))
    with pytest.raises(RunError, match="or the data set in vice.dataset has changed"):
        training.run(str(tmp_path / "run"))


def test_the_goal_is_reached_without_a_reward_of_the_task(dataset, tmp_path):
    """A step moves the point by up to 0.1 for 10 steps, from [-1, 1]; 0.5 is success. Standing
    still has half of it, and random actions a little less."""
    training = _training(
        dataset,
        "adam.learning_rate = 3e-3",
        "Temperature.initial_alpha = 0.1",
        "Evaluator.episodes = 50",
        total_steps=900,
        evaluation_period=900,
        checkpoint_period=900,
        batch_size=64,
        discount=0.8,
    )
    outcome = training.run(str(tmp_path))
    assert outcome.evaluation.success_rate > 0.9
    metrics = {name: float(value) for name, value in last_metrics(tmp_path).items() if value}
    assert metrics["goal_probability"] > metrics["reached_probability"]
    assert metrics["learned_reward"] < 0


@pytest.mark.parametrize(
    ("bindings", "words"),
    [
        (["vice.dataset = None"], "vice.dataset must be the id of a Minari data set or its folder"),
        (["Windows.n = 3"], "train.learned_reward replaces the rewards of single steps: leave"),
        (
            ["train.rewards = @RunningRewardScale"],
            "train.rewards has statistics of the rewards of the task",
        ),
        (
            [
                "train.prior_data = @prior_data",
                "prior_data.dataset = 'point/goals-v0'",
                "prior_data.fraction = 0.75",
            ],
            "train.learned_reward needs at least half of each batch from the replay",
        ),
    ],
)
def test_what_cannot_work_is_refused(dataset, tmp_path, bindings, words):
    with pytest.raises(ConfigurationError, match=words):
        _training(dataset, *bindings).run(str(tmp_path))
