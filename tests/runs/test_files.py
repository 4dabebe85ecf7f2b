"""The files of a run that people read: configuration, CSV, pictures."""

import csv
from pathlib import Path

import gin
import numpy as np
import pytest

from sac_tf import files
from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment
from sac_tf.errors import ConfigurationError
from sac_tf.runs import configuration, plot
from sac_tf.runs.checkpoints import Progress
from sac_tf.runs.logs import RunLog
from sac_tf.training.evaluate import play, summarize
from sac_tf.training.train import Training
from sac_tf.types import Episode, Evaluation


def _run_folder(path, seed, returns, environment="Pendulum-v1"):
    path.mkdir(parents=True)
    (path / "config.gin").write_text(f"train.environment = '{environment}'\ntrain.seed = {seed}\n")
    rows = "".join(f"{1000 * (i + 1)},1,{value},0,10\n" for i, value in enumerate(returns))
    (path / "evaluations.csv").write_text("step,wall_time,return_mean,return_std,episodes\n" + rows)
    return path


def test_runs_that_differ_only_by_seed_are_one_line(tmp_path):
    a, b = _run_folder(tmp_path / "a", 0, [1, 2]), _run_folder(tmp_path / "b", 1, [3, 4])
    c = _run_folder(tmp_path / "c", 0, [5], environment="Hopper-v5")
    assert plot.group_by_configuration([a, b, c]) == {"Pendulum-v1": [a, b], "Hopper-v5": [c]}
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "config.gin").write_text(
        "train.environment = 'Hopper-v5'\ntrain.seed = 0\ncritic_step.tau = 1\n"
    )
    assert set(plot.group_by_configuration([a, c, tmp_path / "d"])) == {
        "Pendulum-v1",
        "Hopper-v5 c",
        "Hopper-v5 d",
    }
    steps, returns = plot.read_curve(a)
    np.testing.assert_array_equal(steps, [1000, 2000])
    np.testing.assert_array_equal(returns, [1, 2])
    plot.draw([a, b, c], tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_a_folder_without_a_curve_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"holds no config\.gin"):
        plot.draw([tmp_path], tmp_path / "curves.png")
    with pytest.raises(ConfigurationError, match="has no evaluation yet"):
        plot.draw([_run_folder(tmp_path / "a", 0, [])], tmp_path / "curves.png")


def test_another_configuration_is_refused_and_what_differs_is_said(tmp_path):
    gin.parse_config("train.environment = 'Pendulum-v1'\ntrain.seed = 1")
    Training()
    configuration.save_or_compare(tmp_path)
    configuration.save_or_compare(tmp_path)
    gin.parse_config("train.seed = 2")
    with pytest.raises(ConfigurationError, match=r"\(train.seed was 1, now 2\)"):
        configuration.refuse_other_configuration(tmp_path)


def test_total_steps_may_change(tmp_path):
    gin.parse_config("train.environment = 'Pendulum-v1'\ntrain.total_steps = 100")
    Training()
    configuration.save_or_compare(tmp_path)
    gin.parse_config("train.total_steps = 200")
    configuration.refuse_other_configuration(tmp_path)


def test_a_binding_that_nothing_uses_is_refused():
    gin.parse_config("train.environment = 'Pendulum-v1'\ncritic_step.gamma = 0.9")
    Training()
    with pytest.raises(ConfigurationError, match=r"binding of critic_step.gamma has no effect"):
        configuration.refuse_idle_bindings()


def test_a_binding_without_a_scope_counts_as_used_in_a_scope(tmp_path):
    gin.parse_config(
        "train.environment = 'Pendulum-v1'\nadam.learning_rate = 0.1\nTrainState.actor_optimizer "
        "= @actor/adam"
    )
    Training()
    with gin.config_scope("actor"):
        gin.get_configurable("adam")()
    configuration.refuse_idle_bindings()  # nor is the unused reference to the optimizer a setting
    configuration.save_or_compare(tmp_path)
    configuration.refuse_other_configuration(tmp_path)


def test_the_log_goes_on_where_the_checkpoint_was(tmp_path):
    log = RunLog(tmp_path, 5000, ["critic_loss"], Progress(), period=1000)
    for step in (1000, 2000, 3000):
        log.advance(1000, [Episode(float(step), 10, 0), Episode(0.0, 20, 0)])
        log.metrics(step, {"critic_loss": step / 7}, replay_size=step, updates=step)
        log.evaluation(step, Evaluation(step / 3, 1.0, 10))
    log.close()
    again = RunLog(tmp_path, 5000, ["critic_loss"], Progress(step=2000, elapsed=50.0), period=1000)
    assert 50 <= again.elapsed < 60
    again.metrics(3000, {}, replay_size=1, updates=0)
    again.close()
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["critic_loss"]) for row in rows] == [
        ("1000", "142.857"),
        ("2000", "285.714"),
        ("3000", ""),
    ]
    assert (rows[0]["episode_return"], rows[0]["episode_length"]) == ("500", "15")
    with (tmp_path / "evaluations.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1000", "2000"]
    assert list((tmp_path / "tensorboard").iterdir())


def test_speeds_after_a_restart_count_what_was_done_after_it(tmp_path):
    log = RunLog(tmp_path, 5000, [], Progress(step=2000, elapsed=50.0))
    log.go_on(updates=1500, checkpoint=tmp_path)
    log.metrics(3000, {}, replay_size=3000, updates=2000)
    log.close()
    with (tmp_path / "metrics.csv").open() as file:
        (row,) = csv.DictReader(file)
    ratio = float(row["updates_per_second"]) / float(row["steps_per_second"])
    assert ratio == pytest.approx((2000 - 1500) / (3000 - 2000), rel=1e-3)


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "evaluations.csv"
    files.write_at_once(path, "first")
    monkeypatch.setattr(Path, "replace", lambda *_: pytest.fail("killed here"))
    with pytest.raises(pytest.fail.Exception):
        files.write_at_once(path, "second")
    assert path.read_text() == "first"


def test_evaluation_counts_the_first_episode_of_each_copy():
    environment = GymnasiumEnvironment("tests.toy:Counter-v0", num_environments=3)
    episodes = play(environment, lambda _: np.float32([[1.0], [-1.0], [0.2]]), seed=0)
    assert [(episode.copy, episode.length) for episode in episodes] == [(0, 5), (1, 5), (2, 5)]
    np.testing.assert_allclose([e.total_reward for e in episodes], [2.5, -10.0, -2.5], rtol=1e-5)
    assert summarize(episodes) == Evaluation(
        pytest.approx(-10 / 3), pytest.approx(np.std([2.5, -10, -2.5])), 3
    )
