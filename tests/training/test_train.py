"""Whole runs on toy tasks, in this process."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.training.outcome import Outcome
from tests.threads import count_threads
from tests.training.left_behind import (
    final_state,
    last_checkpoint,
    last_metrics,
    read_rows,
    saved_rows,
    saved_steps,
    updates_done,
)
from tests.training.small_runs import small_training


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Outcome, str]:
    """The outcome and the folder of a small run of 400 steps."""
    root = tmp_path_factory.mktemp("finished")
    return small_training().run(str(root)), root


@pytest.fixture
def copy_of_finished(finished, tmp_path):
    """A copy of the folder, to resume in."""
    return shutil.copytree(finished[1], tmp_path / "copy")


def test_a_run_writes_its_files(finished):
    outcome, root = finished
    assert outcome.step == 400 and outcome.stopped_by is None and outcome.evaluation.episodes == 2
    assert [row[0] for row in read_rows(root)] == ["step", "100", "200", "300", "400"]
    metrics = read_rows(root, "metrics.csv")
    assert [row[0] for row in metrics] == ["step", "100", "200", "300", "400"]
    last = last_metrics(root)
    wanted = {
        "critic_loss",
        "actor_loss",
        "alpha_loss",
        "q_mean",
        "td_error",
        "entropy",
        "alpha",
        "replay_size",
    }
    assert wanted <= set(last) and all(np.isfinite(float(last[name])) for name in wanted)
    assert last["replay_size"] == "400" and float(last["alpha"]) != 1
    assert sorted(path.name for path in (root / "checkpoints").glob("step-*")) == [
        "step-000000200",
        "step-000000400",
    ]
    assert list((root / "tensorboard").iterdir()) and (root / "config.gin").exists()
    assert (root / "policy").is_dir()


@pytest.mark.parametrize(
    ("updates_per_step", "num_environments", "updates"),
    [(1.0, 1, 100), (0.25, 1, 24), (5.0, 1, 500), (1.0, 3, 100)],
)
def test_the_update_ratio_is_kept(
    tmp_path, without_export, updates_per_step, num_environments, updates
):
    training = small_training(
        "update.updates_per_call = 2",
        updates_per_step=updates_per_step,
        num_environments=num_environments,
        total_steps=200,
        evaluation_period=200,
    )
    outcome = training.run(str(tmp_path))
    assert abs(updates_done(tmp_path) - updates) <= 2
    assert len(saved_steps(last_checkpoint(tmp_path))) == outcome.step >= 200


def test_bindings_reach_all_parts(tmp_path, without_export):
    """A fixed temperature, other networks, a fraction of the updates: all by bindings on top of the
    shipped files."""
    training = small_training(
        "sac.alpha_step = None",
        "Temperature.initial_alpha = 0.2",
        "critic.ensemble_size = 3",
        "adam.learning_rate = 1e-3",
        "RunLog.period = 600",
        "critic_step.tau = 1.0",
        files=["gin_configs/tasks/pendulum.gin"],
        environment="Pendulum-v1",
        total_steps=600,
        random_steps=200,
        checkpoint_period=600,
        evaluation_period=1000,
        updates_per_step=0.5,
    )
    training.run(str(tmp_path))
    names, row = read_rows(tmp_path, "metrics.csv")
    last = dict(zip(names, row, strict=True))
    assert float(last["alpha"]) == pytest.approx(0.2) and "alpha_loss" not in last
    state = tf.train.load_checkpoint(str(tmp_path / "checkpoints/step-000000600/state"))
    shapes = state.get_variable_to_shape_map()
    kernels = sorted(
        name
        for name, shape in shapes.items()
        if shape == [3 + 1, 16] and "OPTIMIZER_SLOT" not in name
    )
    # Three critics and their targets; three observations and an action, sixteen units.
    assert len(kernels) == 2 * 3
    assert updates_done(tmp_path) == 200
    critics = [state.get_tensor(name) for name in kernels[:3]]
    targets = [state.get_tensor(name) for name in kernels[3:]]
    np.testing.assert_array_equal(critics, targets)  # tau = 1


@pytest.mark.parametrize(("num_environments", "steps"), [(1, 1100), (2, 2100)])
def test_episodes_longer_than_a_checkpoint_period_are_whole(
    tmp_path, without_export, num_environments, steps
):
    """The task observes its own step / 100, and its episodes take 1,000 steps."""
    training = small_training(
        "Evaluator.episodes = 1",
        environment="tests.tasks:LongEpisode-v0",
        num_environments=num_environments,
        total_steps=steps,
        random_steps=steps,
        checkpoint_period=300,
        evaluation_period=5000,
    )
    training.run(str(tmp_path))
    rows = saved_rows(last_checkpoint(tmp_path))
    played = [np.round(100 * episode[:, 0]).astype(int).tolist() for episode in rows]
    whole = [list(range(1000 + 1))] * num_environments
    begun = [list(range(steps // num_environments - 1000 + 1))] * num_environments
    assert played == whole + begun
    assert (tmp_path / f"checkpoints/step-{1000 * num_environments:09d}").is_dir()


def test_random_exploration_is_not_repeated(copy_of_finished, without_export, monkeypatch):
    monkeypatch.setattr("sac_tf.training.loop.uniform_actions", lambda *_: pytest.fail)
    assert small_training(total_steps=500).run(str(copy_of_finished)).step == 500


def test_a_complete_run_does_nothing_more(copy_of_finished):
    before = final_state(copy_of_finished)
    outcome = small_training().run(str(copy_of_finished))
    assert outcome.step == 400 and outcome.evaluation is None
    assert final_state(copy_of_finished) == before


def test_a_run_leaves_no_threads_behind(finished, tmp_path, without_export):
    """The first run of a process starts threads that stay: the fixture was one."""
    before = count_threads()
    small_training(total_steps=101, evaluation_period=101).run(str(tmp_path))
    assert count_threads() < before + 10  # Reverb alone has about 40 for each run


def test_nested_observations_learn(tmp_path, without_export):
    training = small_training(environment="tests.toy:Nested-v0", total_steps=200)
    assert training.run(str(tmp_path)).step == 200
    assert float(last_metrics(tmp_path)["alpha"]) != 1


def test_a_run_that_samples_from_reverb_resumes(tmp_path, without_export):
    for steps in (200, 300):
        training = small_training("BatchReader.sampler = @ReverbSampler", total_steps=steps)
        assert training.run(str(tmp_path)).step == steps
        assert last_checkpoint(tmp_path).name == f"step-{steps:09d}"
    summary = json.loads((last_checkpoint(tmp_path) / "replay/replay.json").read_text())
    assert (summary["transitions"], summary["rows"]) == (300, 0)
