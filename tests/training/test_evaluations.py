"""Evaluations of whole runs: success, the best policy, interrupts, one instance."""

import json
import os
import signal

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError
from sac_tf.runs.episodes import EpisodeInfo
from sac_tf.serving.policy_spec import PolicySpec
from sac_tf.training import evaluations, exporting
from sac_tf.training.evaluate import Evaluator, mean_return, success_rate
from sac_tf.training.exporting import BestPolicy
from sac_tf.types import Evaluation
from tests.training.left_behind import final_state, read_rows
from tests.training.small_runs import small_training


def _column(root, name, file="evaluations.csv"):
    header, *rows = read_rows(root, file)
    return [row[header.index(name)] for row in rows]


def _best(root):
    return json.loads((root / "checkpoints/best/evaluation.json").read_text())


@pytest.fixture
def scripted(monkeypatch):
    """Sets the results of evaluations, {step: Evaluation}; a missing step is as interrupted."""

    def script(results):
        def evaluate(self, step, seed, log):
            if step in results:
                log.evaluation(step, results[step])
                self._best.offer(self._policy, step, results[step])

        monkeypatch.setattr(evaluations.RunEvaluations, "evaluate", evaluate)

    return script


def test_success_and_other_numbers_are_logged(tmp_path, without_export):
    training = small_training(
        "EpisodeInfo.keys = ('x_position', 'missing')",
        environment="tests.tasks:Reaching-v0",
        total_steps=200,
    )
    outcome = training.run(str(tmp_path))
    rates = _column(tmp_path, "success_rate")
    assert float(rates[-1]) == outcome.evaluation.success_rate
    assert outcome.evaluation.episodes == 2 and set(rates) <= {"0", "0.5", "1"}
    means = [float(value) for value in _column(tmp_path, "info_x_position")]
    assert np.isfinite(means).all() and means[-1] == pytest.approx(
        outcome.evaluation.info["info_x_position"], rel=1e-5
    )
    assert _column(tmp_path, "info_missing") == ["", ""]
    trained = [float(value) for value in _column(tmp_path, "episode_success", "metrics.csv")]
    assert all(0 <= rate <= 1 for rate in trained)
    assert all(_column(tmp_path, "info_x_position", "metrics.csv"))


def test_an_interrupted_evaluation_is_repeated_on_resume(tmp_path, without_export, monkeypatch):
    """The resumed run is the uninterrupted one, bit for bit."""
    settings = {"environment": "tests.tasks:Point-v0", "checkpoint_period": 100, "total_steps": 200}
    small_training(**settings).run(str(tmp_path / "whole"))
    evaluate = Evaluator.evaluate

    def interrupted(self, seed, on_progress=None):
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(self, seed, on_progress)

    part = tmp_path / "part"
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "evaluate", interrupted)
        outcome = small_training(**settings).run(str(part))
    assert (outcome.step, outcome.stopped_by) == (100, signal.SIGTERM)
    assert read_rows(part) == read_rows(tmp_path / "whole")[:1]
    small_training(**settings).run(str(part))
    assert read_rows(part) == read_rows(tmp_path / "whole")
    assert final_state(part) == final_state(tmp_path / "whole")


def test_the_last_evaluation_is_repeated_too(tmp_path, without_export, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "evaluate", lambda *_: None)
        assert small_training().run(str(tmp_path)).step == 400
    assert len(read_rows(tmp_path)) == 1
    assert small_training().run(str(tmp_path)).evaluation is not None
    assert _column(tmp_path, "step") == ["400"]


def test_one_instance_is_enough_for_a_run(tmp_path, without_export):
    """And the run resumes exactly, with rows that span several steps."""
    bindings = (
        "Evaluator.in_training_environment = True",
        "Windows.n = 3",
        "train.updates_per_step = 0.2",
    )
    settings = {
        "environment": "tests.tasks:OneInstance-v0",
        "evaluation_period": 77,
        "updates_per_step": 0.2,
    }
    for steps in (154, 231):
        small_training(*bindings, total_steps=steps, **settings).run(str(tmp_path / "parts"))
    small_training(*bindings, total_steps=231, **settings).run(str(tmp_path / "whole"))
    assert _column(tmp_path / "whole", "step") == ["77", "154", "231"]
    assert read_rows(tmp_path / "parts") == read_rows(tmp_path / "whole")
    assert final_state(tmp_path / "parts") == final_state(tmp_path / "whole")


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        ("environment.evaluation_arguments = {'x': 1}", "without environment.evaluation_arguments"),
        ("Evaluator.in_training_environment = 'no'", "must be True or False, got 'no'"),
        ("Windows.with_return_to_go = 'no'", "Windows.with_return_to_go must be True or False"),
    ],
)
def test_settings_that_contradict_one_instance_are_refused(tmp_path, binding, words):
    one = "Evaluator.in_training_environment = True"
    with pytest.raises(ConfigurationError, match=words):
        small_training(one, binding).run(str(tmp_path))


def test_no_episodes_are_no_evaluation(tmp_path, without_export):
    outcome = small_training("Evaluator.episodes = 0", total_steps=200).run(str(tmp_path))
    assert outcome.evaluation is None and len(read_rows(tmp_path)) == 1
    assert not (tmp_path / "checkpoints/best").exists()


def _evaluation(mean, rate=None):
    return Evaluation(mean, 0.0, 2, success_rate=rate, info={})


@pytest.mark.parametrize(
    ("score", "results", "best"),
    [
        (mean_return, {100: 1.0, 200: 3.0, 300: 2.0, 400: 3.0}, [200, [3.0]]),
        (mean_return, {100: 1.0, 200: np.nan, 300: np.inf, 400: 0.5}, [100, [1.0]]),
        (mean_return, {100: 1 / 3, 200: 1 / 3 + 1e-12}, [200, [1 / 3 + 1e-12]]),
        (success_rate, {100: (0.0, 0.5), 200: (9.0, 0.0), 300: (2.0, 0.5)}, [300, [0.5, 2.0]]),
        (success_rate, {100: 5.0, 200: (1.0, 0.0), 300: 9.0}, [200, [0.0, 1.0]]),
    ],
)
def test_the_best_policy_survives_a_restart(tmp_path, spec, score, results, best):
    """Each result comes in another process."""
    for step, result in results.items():
        kept = BestPolicy(
            tmp_path, EnvironmentFactory("Point-v0"), spec, score, make_policy=pytest.fail
        )
        policy = tf.Module()
        policy.weight = tf.Variable(float(step))
        kept.offer(policy, step, _evaluation(*np.atleast_1d(result)))
    found = _best(tmp_path)
    assert [found["step"], found["score"]] == best
    weights = tf.train.load_checkpoint(str(tmp_path / "checkpoints/best/policy"))
    assert weights.get_tensor("policy/weight/.ATTRIBUTES/VARIABLE_VALUE") == best[0]


def test_a_best_policy_is_exported_again_only_if_it_is_new(tmp_path, spec, monkeypatch):
    exported = []
    monkeypatch.setattr(exporting, "export", lambda *arguments: exported.append(arguments[1].step))

    def make_policy(_):
        policy = tf.Module()
        policy.weight = tf.Variable(0.0)
        return policy

    for step, mean in ((100, 1.0), (200, 0.0)):
        kept = BestPolicy(tmp_path, EnvironmentFactory("Point-v0"), spec, mean_return, make_policy)
        kept.offer(make_policy(spec), step, _evaluation(mean))
        kept.close()
        made = PolicySpec({"task": "Point-v0"}, spec, 100, 1.0)
        (tmp_path / "best_policy").mkdir(exist_ok=True)
        made.save(tmp_path / "best_policy", "saved_model")
    assert exported == [100]


def test_the_best_policy_is_exported_with_its_weights(tmp_path, scripted):
    """Also if the run fails later: this is when it is wanted."""
    scripted({100: _evaluation(5.0), 200: _evaluation(1.0)})
    training = small_training(total_steps=200, checkpoint_period=100, random_steps=0)
    training.run(str(tmp_path))
    spec = json.loads((tmp_path / "best_policy/policy_spec.json").read_text())
    assert (spec["step"], spec["return"]) == (100, 5.0)
    best = tf.train.load_checkpoint(str(tmp_path / "checkpoints/best/policy"))
    then = tf.train.load_checkpoint(str(tmp_path / "checkpoints/step-000000100/state"))
    names = [name for name in best.get_variable_to_shape_map() if name.endswith("VALUE")]
    assert len(names) >= 4
    for name in names:
        same = then.get_tensor(f"state/{name}")
        np.testing.assert_array_equal(best.get_tensor(name), same)
    policies = [tf.saved_model.load(str(tmp_path / name)) for name in ("best_policy", "policy")]
    observation = tf.constant([[1.0, 2.0]])
    actions = [
        policy.signatures["serving_default"](observation=observation)["action"].numpy()
        for policy in policies
    ]
    assert not np.array_equal(*actions)


def test_fewer_steps_than_done_are_refused(tmp_path, without_export):
    small_training().run(str(tmp_path))
    before = (tmp_path / "config.gin").read_text()
    with pytest.raises(ConfigurationError, match="train.total_steps=200 is below the 400 steps"):
        small_training(total_steps=200).run(str(tmp_path))
    assert (tmp_path / "config.gin").read_text() == before


def test_a_key_that_is_no_name_is_refused():
    with pytest.raises(ConfigurationError, match="EpisodeInfo.keys must be a sequence of names"):
        EpisodeInfo(keys=(1,))
