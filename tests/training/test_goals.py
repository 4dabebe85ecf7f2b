"""Whole runs of goal-conditioned tasks with hindsight, configured by the shipped gin files."""

import functools

import numpy as np
import pytest

import sac_tf
from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.environments.goals import Goals
from sac_tf.errors import ConfigurationError
from tests.binaries.running import call_program
from tests.training.left_behind import final_state, killed, last_metrics, read_rows
from tests.training.small_runs import small_training

HER = "gin_configs/her.gin"
REACH = "gin_configs/tasks/fetch_reach.gin"
LEARNING = [
    "actor.hidden_units = (32, 32)",
    "critic.hidden_units = (32, 32)",
    "adam.learning_rate = 3e-3",
    "Temperature.initial_alpha = 0.05",
    "Evaluator.episodes = 20",
    "td_target.reward_range = (-1, 0)",
]


def _train(root, *bindings, task="Line", files=(HER,), **settings):
    """Runs a task of tests.goal_tasks with hindsight, and returns the outcome."""
    bindings = ["Evaluator.episodes = 2", *bindings]
    environment = f"tests.goal_tasks:{task}"
    training = small_training(*bindings, files=files, environment=environment, **settings)
    return training.run(str(root))


@pytest.mark.parametrize("k", [4, 0])
def test_hindsight_learns_where_its_absence_does_not(tmp_path, without_export, k):
    settings = {
        "total_steps": 2000,
        "random_steps": 200,
        "discount": 0.9,
        "evaluation_period": 2000,
        "checkpoint_period": 2000,
        "batch_size": 64,
    }
    bindings = [*LEARNING, f"Hindsight.k = {k}"]
    learned = _train(tmp_path, *bindings, **settings).evaluation
    assert learned.success_rate >= 0.9 if k else learned.success_rate < 0.5
    assert learned.success_once >= learned.success_rate


def test_a_run_with_hindsight_resumes_bit_for_bit(tmp_path, without_export):
    files = (HER, "gin_configs/n_step.gin", "gin_configs/normalized.gin")
    settings = {"files": files, "num_environments": 3, "total_steps": 300}
    run = functools.partial(_train, checkpoint_period=150, **settings)
    run(tmp_path / "whole")
    run(killed(tmp_path / "whole", tmp_path / "resumed"))
    assert read_rows(tmp_path / "whole") == read_rows(tmp_path / "resumed")
    assert final_state(tmp_path / "whole") == final_state(tmp_path / "resumed")


def test_prioritized_replay_has_hindsight(tmp_path, without_export):
    outcome = _train(tmp_path, files=(HER, "gin_configs/per.gin"))
    assert outcome.step == 400 and float(last_metrics(tmp_path)["q_mean"]) != 0


def test_fetch_reach_trains_evaluates_and_exports(tmp_path):
    """Both formats act on what the task returns, in which the policy does not see one array."""
    small = ["Evaluator.episodes = 2", "Evaluator.max_episode_steps = 20"]
    settings = {"environment": "gymnasium_robotics:FetchReach-v4", "total_steps": 150}
    training = small_training(*small, files=(REACH, HER), **settings)
    outcome = training.run(str(tmp_path))
    assert outcome.evaluation.success_rate is not None
    export = ["export_policy", f"--root_dir={tmp_path}", f"--export_dir={tmp_path / 'lite'}"]
    code, _, err = call_program(*export, "--format=tflite")
    assert code == 0, err
    policies = [sac_tf.load_policy(tmp_path / name) for name in ("policy", "lite")]
    environment = EnvironmentFactory(settings["environment"])._make_one({}, ())
    observation, _ = environment.reset(seed=0)
    first, second = (policy(observation) for policy in policies)
    np.testing.assert_allclose(first, second, atol=1e-5)
    np.testing.assert_array_equal(policies[0]({**observation, "achieved_goal": np.ones(3)}), first)
    other = policies[0]({**observation, "desired_goal": np.ones(3)})
    assert np.abs(other - first).max() > 1e-4


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("WithoutReward", "needs a task with compute_reward(achieved_goal, desired_goal, info)"),
        ("OneGoalAtATime", "returned the shape [] for two goals; hindsight needs one reward"),
        ("ReadsInfo", "raised KeyError ('cost'); hindsight calls it with arrays of goals and"),
        ("UnequalGoals", "needs goals of one shape, and the task has achieved_goal float32 [2]"),
        ("OtherReward", "returned the reward -2 where its compute_reward gives -1; hindsight"),
        ("OtherRewardAtTheGoal", "returned the reward 10 where its compute_reward gives 1;"),
    ],
)
def test_task_that_hindsight_cannot_have_is_one_sentence(tmp_path, task, message):
    with pytest.raises(ConfigurationError) as caught:
        _train(tmp_path, task=task)
    assert message in str(caught.value).partition("\n")[0]  # gin adds lines with its calls


def test_task_without_goals_is_one_sentence(tmp_path):
    with pytest.raises(ConfigurationError, match="and the task has one array; leave"):
        small_training(files=(HER,), environment="Pendulum-v1").run(str(tmp_path))


@pytest.mark.parametrize("task", ["Line", "EndsAtTheGoal", "EndsOneGoalAtATime"])
def test_functions_of_a_task_are_called_with_many_goals(task):
    """Also a `compute_terminated` that takes one goal: with two it says that both ended, or raises
    an error."""
    factory = EnvironmentFactory(f"tests.goal_tasks:{task}")
    goals = Goals(factory.title, lambda: factory._make_one({}, ()))
    goals.prepare((1,))
    achieved, desired = np.float32([[0], [0], [1]]), np.float32([[0.25], [2], [1]])
    np.testing.assert_array_equal(goals.reward(achieved, desired), [0, -1, 0])
    assert goals.can_terminate == (task != "Line")
    if goals.can_terminate:
        np.testing.assert_array_equal(goals.terminated(achieved, desired), [True, False, True])
