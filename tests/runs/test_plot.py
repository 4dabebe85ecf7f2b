"""Learning curves of runs, from their evaluations."""

import struct

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


def _size(path):
    """Width and height of a PNG file."""
    return struct.unpack(">II", path.read_bytes()[16:24])


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
    assert _size(tmp_path / "curves.png")[0] == 2 * 7 * 120  # a panel for each task
    plot.draw([a, b], tmp_path / "curve.png")
    assert _size(tmp_path / "curve.png")[0] == 7 * 120
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_runs_in_folders_of_one_name_have_their_own_lines(tmp_path):
    """As in a sweep, which has a folder for each setting."""
    runs = [tmp_path / name / "seed-0" for name in ("tau=0.1", "tau=0.2")]
    for number, run in enumerate(runs):
        _run_folder(run, 0, [1, 2])
        with (run / "config.gin").open("a") as file:
            file.write(f"critic_step.tau = {number}\n")
    labels = ["Pendulum-v1 tau=0.1/seed-0", "Pendulum-v1 tau=0.2/seed-0"]
    assert list(plot.group_by_configuration(runs)) == labels


def test_curves_share_the_steps_at_which_all_were_evaluated(tmp_path):
    a = _run_folder(tmp_path / "a", 0, [1, 2, 3])
    b = _run_folder(tmp_path / "b", 1, [4, 5])
    steps, returns = plot.read_curves([a, b])
    np.testing.assert_array_equal(steps, [1000, 2000])
    np.testing.assert_array_equal(returns, [[1, 2], [4, 5]])


def test_runs_without_a_common_step_have_no_common_curve(tmp_path):
    """As those of two distributed runs, which evaluate what is published."""
    a = _run_folder(tmp_path / "a", 0, [1])
    b = _run_folder(tmp_path / "b", 1, [1])
    path = b / "evaluations.csv"
    path.write_text(path.read_text().replace("1000,", "1001,"))
    with pytest.raises(ConfigurationError, match="were never evaluated at the same step"):
        plot.draw([a, b], tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_a_run_that_is_named_twice_counts_once(tmp_path, monkeypatch):
    a = _run_folder(tmp_path / "a", 0, [1])
    b = _run_folder(tmp_path / "b", 1, [3])
    drawn = []
    monkeypatch.setattr(plot, "draw_groups", lambda groups, *_: drawn.append(groups))
    plot.draw([a, b, a], tmp_path / "curves.png")
    assert drawn == [{"Pendulum-v1": [a, b]}]


def test_a_folder_without_a_curve_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"holds no config\.gin"):
        plot.draw([tmp_path], tmp_path / "curves.png")
    with pytest.raises(ConfigurationError, match="has no evaluation yet"):
        plot.draw([_run_folder(tmp_path / "a", 0, [])], tmp_path / "curves.png")


def test_another_column_is_drawn_where_it_has_values(tmp_path):
    run = _run_folder(tmp_path / "a", 0, [1, 2])
    with pytest.raises(ConfigurationError, match="no values of 'success_rate'; it has those of re"):
        plot.draw([run], tmp_path / "success.png", "success_rate")
    columns = "step,wall_time,return_mean,return_std,episodes,success_rate"
    rows = "1000,1,5,0,10,\n2000,1,6,0,10,0.5\n"
    (run / "evaluations.csv").write_text(f"{columns}\n{rows}")
    steps, values = plot.read_curve(run, "success_rate")
    np.testing.assert_array_equal(steps, [2000])
    np.testing.assert_array_equal(values, [0.5])
    plot.draw([run], tmp_path / "success.png", "success_rate")
    assert _size(tmp_path / "success.png") == (7 * 120, 4.5 * 120)
