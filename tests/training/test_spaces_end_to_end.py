"""Every kind of space, from training to a served policy."""

import gin
import numpy as np
import pytest

import sac_tf
from sac_tf.environments.factory import EnvironmentFactory
from tests import spaces
from tests.binaries.running import call_program
from tests.training.small_runs import small_training

BINDINGS = """
actor.hidden_units = (8, 8)
critic.hidden_units = (8, 8)
update.updates_per_call = 1
tables.capacity = 1000
Evaluator.episodes = 2
"""
SETTINGS = {
    "total_steps": 60,
    "random_steps": 50,
    "evaluation_period": 60,
    "checkpoint_period": 60,
    "batch_size": 8,
}
WHOLE = ("Category", "ScalarAction")
"""Spaces that are no Dict, and arrays without a dimension. The other rows of the table in
docs/environments.md are parts of `Everything`."""


def _train(task, root_dir):
    assert sac_tf.Training  # registers what the bindings name
    gin.clear_config()  # and unlocks it
    gin.parse_config(BINDINGS)
    outcome = sac_tf.Training(environment=task, **SETTINGS).run(str(root_dir))
    assert outcome.step == 60 and np.isfinite(outcome.evaluation.return_mean)


def _assert_serves(policy, others, task):
    """All act on what the task itself returns, and the task takes what they return."""
    environment = EnvironmentFactory(task)._make_one({}, ())
    observation, _ = environment.reset(seed=0)
    for _ in range(3):
        action = policy(observation)
        assert environment.action_space.contains(action)
        for other in others:
            pairs = zip(spaces.leaves(action), spaces.leaves(other(observation)), strict=True)
            for mine, theirs in pairs:
                np.testing.assert_allclose(mine, theirs, atol=1e-5)
        observation, *_ = environment.step(action)


@pytest.mark.parametrize("name", WHOLE)
def test_a_space_trains_evaluates_exports_and_serves(tmp_path, name):
    task = f"tests.spaces:{name}-v0"
    _train(task, tmp_path)
    _assert_serves(sac_tf.load_policy(tmp_path / "policy"), [], task)


def test_all_spaces_in_one_task_through_every_program(tmp_path):
    """With every kind of key, in every format."""
    root_dir = tmp_path / "run"
    _train("tests.spaces:Everything-v0", root_dir)
    folders = {"saved_model": root_dir / "policy"}
    for form in ("tflite", "tf_agents"):
        folders[form] = tmp_path / form
        flags = [f"--root_dir={root_dir}", f"--export_dir={folders[form]}", f"--format={form}"]
        code, _, err = call_program("export_policy", *flags)
        assert code == 0, err
    policy, *others = map(sac_tf.load_policy, folders.values())
    _assert_serves(policy, others, "tests.spaces:Everything-v0")
    printed = set()
    for source in (f"--root_dir={root_dir}", *(f"--policy={path}" for path in folders.values())):
        code, out, err = call_program("evaluate", source, "--episodes=2")
        assert code == 0, err
        printed.add(out.splitlines()[-1])
    assert len(printed) == 1


def test_uneven_ends_with_n_step_and_prioritized_replay(tmp_path):
    """Three environments whose episodes end at random; the run is resumed and its policy loaded."""
    settings = {
        "environment": "tests.tasks:UnevenEnds-v0",
        "num_environments": 3,
        "batch_size": 8,
        "random_steps": 30,
        "checkpoint_period": 60,
        "evaluation_period": 120,
    }
    files = ["gin_configs/per.gin", "gin_configs/n_step.gin"]
    for total_steps in (60, 120):
        training = small_training(files=files, total_steps=total_steps, **settings)
        assert training.run(str(tmp_path)).step == total_steps
    assert sac_tf.load_policy(tmp_path / "policy")(np.zeros(3)).shape == (1,)
