"""Runs in which somebody takes over: what is stored, counted, kept and recorded."""

import gin
import gymnasium
import numpy as np
import pytest

from binaries import launch
from sac_tf.distributed.settings import configuration_of
from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError, RunError
from sac_tf.training.recording import make_recorder
from tests.minari_data import play, write
from tests.training.left_behind import (
    final_state,
    killed,
    last_checkpoint,
    last_metrics,
    read_rows,
    saved_steps,
)
from tests.training.small_runs import small_training

COUNTER = "tests.toy:Counter-v0"
POINT = "tests.tasks:Point-v0"
TAKE_OVER = "environment.training_wrappers = ['tests.training.test_interventions:TakenOver']"
made = []


class TakenOver(gymnasium.Wrapper):
    """Takes over in the second and third step of an episode, with the action 0.5."""

    def __init__(self, environment, action=(0.5,)):
        super().__init__(environment)
        made.append(self)
        self._action = action

    def reset(self, **arguments):
        self._steps = 0
        return self.env.reset(**arguments)

    def step(self, action):
        self._steps += 1
        if self._steps not in (2, 3):
            *result, info = self.env.step(action)
            return *result, {**info, "intervene_action": None}
        *result, info = self.env.step(np.float32([0.5]))
        return *result, {**info, "intervene_action": self._action}


def _steps(root):
    """Returns (step of the episode, action, reward) of all stored steps."""
    return saved_steps(last_checkpoint(root))[:, [1, 2, 3]].T


@pytest.mark.usefixtures("without_export")
def test_the_executed_actions_are_stored_and_counted(tmp_path):
    """The reward of the counter is the action, -2 to 0.5, in five steps. The evaluation has an
    environment without help."""
    made.clear()
    small_training(TAKE_OVER, "train.num_environments = 2", total_steps=110).run(str(tmp_path))
    step, action, reward = _steps(tmp_path)
    np.testing.assert_allclose(reward, -0.75 + 1.25 * action, atol=1e-6)
    taken = (step == 1) | (step == 2)
    assert (action[taken] == 1).all() and not (action[~taken] == 1).any()
    assert last_metrics(tmp_path)["episode_interventions"] == "0.4"
    assert len(made) == 2


@pytest.fixture(scope="module")
def dataset(minari_store):
    environment = gymnasium.make(POINT)
    return write("point/played-v0", play(environment, 3), environment)


def _with_prior_data(root, dataset, **settings):
    bindings = [
        "train.prior_data = @prior_data",
        f"prior_data.dataset = '{dataset}'",
        "prior_data.interventions = 1000",
    ]
    training = small_training(TAKE_OVER, *bindings, environment=POINT, total_steps=130, **settings)
    return training.run(str(root))


@pytest.mark.usefixtures("without_export")
def test_a_killed_run_resumes_with_its_interventions(dataset, tmp_path):
    """Those of 12 episodes of ten steps, and of two that the ends of the periods cut at five."""
    whole = tmp_path / "whole"
    _with_prior_data(whole, dataset, checkpoint_period=115)
    resumed = killed(whole, tmp_path / "resumed")
    _with_prior_data(resumed, dataset, checkpoint_period=115)
    assert read_rows(resumed) == read_rows(whole)
    assert final_state(resumed) == final_state(whole)
    for root in (whole, resumed):
        saved = np.load(last_checkpoint(root) / "replay/prior_data/interventions.npz")
        actions = [saved[f"{i}/float32"][saved[f"{i}/starts"], 3] for i in range(14)]
        assert np.array_equal(actions, np.full([14, 2], 0.5)) and "14/starts" not in saved


def test_a_recorded_episode_has_the_executed_actions():
    environment, recorder = make_recorder(
        EnvironmentFactory(COUNTER, training_wrappers=[TakenOver])
    )
    environment.reset(seed=0)
    for _ in range(5):
        environment.step(np.float32([[-1]]))
    assert [action[0] for action in recorder.last.actions] == [-2, 0.5, 0.5, -2, -2]
    assert recorder.last.rewards == [-2, 0.5, 0.5, -2, -2]


def test_another_action_is_one_sentence():
    wrapper = (TakenOver, {"action": [0.5, 0.5]})
    environment = EnvironmentFactory(COUNTER, training_wrappers=[wrapper]).make()
    environment.reset(seed=0)
    environment.step(np.float32([[-1]]))
    words = (
        r"returned info\['intervene_action'\] = \[0.5, 0.5\], which is not an action of the task"
    )
    with pytest.raises(RunError, match=words):
        environment.step(np.float32([[-1]]))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (10, "prior_data.interventions is for one process .*; leave it at 0 here"),
        (-1, "prior_data.interventions must be an integer of at least 0"),
    ],
)
def test_what_cannot_work_is_refused(value, words):
    gin.clear_config()
    bindings = [
        f"train.environment = '{COUNTER}'",
        "train.prior_data = @prior_data",
        "prior_data.dataset = 'point/played-v0'",
        f"prior_data.interventions = {value}",
    ]
    with pytest.raises(ConfigurationError, match=words):
        configuration_of(launch.make_distributed([], bindings))
