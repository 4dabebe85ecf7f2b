"""Learning curves of runs, from their evaluations."""

import numpy as np
import pytest

from sac_tf.errors import ConfigurationError
from sac_tf.runs import plot


def _run_folder(path, seed, returns, environment="Pendulum-v1"):
    path.mkdir(parents=True)
    (path / "config.gin").write_text(f"train.environment = '{environment}'\ntrain.seed = {seed}\n")
    rows = "".join(f"{1000 * (i + 1)},1,{value},0,10\n" for i, value in enumerate(returns))
    (path / "evaluations.csv").write_text("step,wall_time,return_mean,return_std,episodes\n" + rows)
    return path


def test_runs_that_differ_only_by_seed_are_one_line(tmp_path):
    a = _run_folder(tmp_path / "a", 0, [1, 2])
    b = _run_folder(tmp_path / "b", 1, [3, 4])
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


def test_curves_share_the_steps_at_which_all_were_evaluated(tmp_path):
    a = _run_folder(tmp_path / "a", 0, [1, 2, 3])
    b = _run_folder(tmp_path / "b", 1, [4, 5])
    steps, returns = plot.read_curves([a, b])
    np.testing.assert_array_equal(steps, [1000, 2000])
    np.testing.assert_array_equal(returns, [[1, 2], [4, 5]])


def test_a_folder_without_a_curve_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"holds no config\.gin"):
        plot.draw([tmp_path], tmp_path / "curves.png")
    with pytest.raises(ConfigurationError, match="has no evaluation yet"):
        plot.draw([_run_folder(tmp_path / "a", 0, [])], tmp_path / "curves.png")
