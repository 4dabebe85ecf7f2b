"""Evaluation: episodes played with a given acting function."""

import gymnasium
import numpy as np
import pytest

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError
from sac_tf.runs.episodes import EpisodeInfo
from sac_tf.training.evaluate import Evaluator, play
from sac_tf.types import Evaluation


def _still(size):
    return lambda _: np.zeros((size, 1), np.float32)


def _make(environment_id, made=None):
    def make(size):
        environment = EnvironmentFactory(environment_id).make(size)
        if made is not None:
            made.append(environment)
        return environment

    return make


def _evaluator(environment_id="tests.tasks:Reaching-v0", made=None, training=None, **settings):
    make = _make(environment_id, made)
    settings = {"is_interrupted": lambda: False, **settings}
    return Evaluator(make, _still, training_environment=training, **settings)


def test_evaluation_counts_the_first_episode_of_each_copy():
    environment = EnvironmentFactory("tests.toy:Counter-v0").make(3)
    episodes = play(environment, lambda _: np.float32([[1.0], [-1.0], [0.2]]), seed=0)
    assert [(episode.environment, episode.length) for episode in episodes] == [
        (0, 5),
        (1, 5),
        (2, 5),
    ]
    np.testing.assert_allclose([e.total_reward for e in episodes], [2.5, -10.0, -2.5], rtol=1e-5)
    assert EpisodeInfo().summarize(episodes) == Evaluation(
        pytest.approx(-10 / 3), pytest.approx(np.std([2.5, -10, -2.5])), 3, 1.0, 1.0
    )


@pytest.mark.parametrize("environments", [1, 3, 5, 9])
def test_the_number_of_environments_changes_no_episode(environments):
    made = []
    together = _evaluator().evaluate(7)
    evaluator = _evaluator(made=made, environments=environments)
    shown = []
    assert evaluator.evaluate(7, lambda *progress: shown.append(progress)) == together
    assert together.episodes == 10
    assert [one.num_environments for one in made] == [environments]
    assert shown[-1] == (10, 10) and shown == sorted(shown)
    evaluator.close()


@pytest.mark.parametrize("environments", [None, 1])
def test_an_endless_episode_is_cut_and_counts(capsys, environments):
    settings = {"environments": environments, "episodes": 2}
    evaluator = _evaluator("tests.tasks:Endless-v0", **settings)
    assert [episode.length for episode in evaluator.play(0)] == [1000, 1000]
    assert capsys.readouterr().out == (
        "The task has no time limit: episodes of an evaluation end after 1,000 steps "
        "(Evaluator.max_episode_steps).\n"
    )
    evaluator = _evaluator("tests.tasks:Endless-v0", max_episode_steps=7, **settings)
    first, second = evaluator.play(0)
    start = gymnasium.make("tests.tasks:Endless-v0").reset(seed=0)[0]
    assert (first.length, second.length) == (7, 7)
    assert first.total_reward == pytest.approx(-7 * abs(start[1]))
    assert capsys.readouterr().out == ""


def test_a_bound_above_the_time_limit_changes_nothing():
    assert _evaluator(max_episode_steps=10).evaluate(0) == _evaluator().evaluate(0)
    assert [one.length for one in _evaluator(max_episode_steps=99).play(0)] == [10] * 10


def test_an_interrupt_leaves_an_evaluation_within_a_step():
    steps = iter(range(100))
    evaluator = _evaluator(is_interrupted=lambda: next(steps) == 3)
    assert evaluator.evaluate(0) is None
    assert next(steps) == 4  # it was read four times, before each step


def test_success_and_numbers_by_name_are_means_of_last_values():
    info = EpisodeInfo(keys=("x_position", "zero_d", "name", "contacts", "missing"))
    evaluator = _evaluator(info=lambda: info)
    starts = [gymnasium.make("tests.tasks:Reaching-v0").reset(seed=i)[0][0] for i in range(10)]
    evaluation = evaluator.evaluate(0)
    assert evaluation.success_rate == np.mean(np.abs(starts) < 0.5)
    assert evaluation.info == {"info_x_position": pytest.approx(np.mean(starts)), "info_zero_d": 2}
    rates = f"success rate {evaluation.success_rate:.2f} (once {evaluation.success_once:.2f})"
    assert str(evaluation).endswith(f"10 episodes, {rates}")
    assert evaluation.success_once >= evaluation.success_rate


def test_success_that_is_reported_only_where_there_is_one():
    evaluation = _evaluator("tests.tasks:OnlySuccess-v0").evaluate(0)
    seconds = [gymnasium.make("tests.tasks:Point-v0").reset(seed=i)[0][1] for i in range(10)]
    assert evaluation.success_rate == np.mean(np.array(seconds) > -0.5) < 1


def test_without_reports_there_is_no_success_rate():
    evaluation = _evaluator("tests.tasks:Point-v0").evaluate(0)
    assert evaluation.success_rate is None and "success" not in str(evaluation)
    info = EpisodeInfo(success_keys=("zero_d",))
    assert _evaluator(info=lambda: info).evaluate(0).success_rate == 2


def test_one_instance_is_enough():
    training = EnvironmentFactory("tests.tasks:OneInstance-v0").make()
    evaluator = _evaluator(
        "tests.tasks:OneInstance-v0", training=training, in_training_environment=True
    )
    assert evaluator.evaluate(0) == _evaluator("tests.tasks:Point-v0").evaluate(0)
    evaluator.close()
    training.reset(0)  # still open
    training.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"episodes": -1}, "Evaluator.episodes must be an integer of at least 0"),
        ({"environments": 0}, "Evaluator.environments must be an integer of at least 1"),
        ({"max_episode_steps": 0}, "Evaluator.max_episode_steps must be an integer"),
        ({"environments": 2, "in_training_environment": True}, "contradict each other"),
        ({"info": lambda: EpisodeInfo(keys="x")}, "EpisodeInfo.keys must be a sequence of names"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        _evaluator(**settings)
