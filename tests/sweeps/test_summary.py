"""Tables and figures of sweeps, against numbers worked by hand."""

import csv
import itertools

import numpy as np
import pytest

from sac_tf.runs import plot
from sac_tf.sweeps import summary


def _run(root_dir, evaluations):
    root_dir.mkdir(parents=True)
    rows = "".join(f"{step},1,{value},0,10\n" for step, value in evaluations.items())
    (root_dir / "evaluations.csv").write_text(
        "step,wall_time,return_mean,return_std,episodes\n" + rows
    )
    (root_dir / "config.gin").write_text("train.environment = 'Hopper-v5'\n")
    return root_dir


def test_the_table_shows_the_last_step_of_all_seeds(tmp_path):
    """The middle half of 1, 2, 4, 105 is 2 and 4. Enumerating all draws with replacement gives the
    exact distribution of the mean."""
    finals = [4.0, 105.0, 1.0, 2.0]
    four = [_run(tmp_path / f"four-{i}", {100: -1, 200: value}) for i, value in enumerate(finals)]
    four[0] = _run(tmp_path / "longer", {100: -1, 200: 4.0, 300: 9})
    one = [_run(tmp_path / "one", {100: 7})]
    rows = summary.summarize({"four": four, "one": one})
    assert [(row.setting, row.seeds, row.step) for row in rows] == [
        ("four", 4, 200),
        ("one", 1, 100),
    ]
    assert (rows[0].mean, rows[0].interquartile_mean) == (28.0, 3.0)
    # All 256 resamples are equally likely.
    draws = np.array(list(itertools.product(finals, repeat=4)))
    middle = np.sort(draws)[:, 1:3].mean(1)
    assert (rows[0].mean_low, rows[0].mean_high) == pytest.approx(
        np.quantile(draws.mean(1), [0.025, 0.975]), abs=0.26
    )
    bounds = (rows[0].interquartile_mean_low, rows[0].interquartile_mean_high)
    assert bounds == pytest.approx(np.quantile(middle, [0.025, 0.975]), abs=0.01)
    assert (rows[1].mean, rows[1].interquartile_mean) == (7.0, 7.0)
    assert np.isnan([rows[1].mean_low, rows[1].mean_high, rows[1].interquartile_mean_low]).all()


def test_intervals_repeat_and_keep_the_global_generator():
    scores = np.random.default_rng(0).normal(size=(5, 3))
    np.random.seed(7)
    first = summary.estimate(scores, lambda s: s.mean((0, 1)))
    drawn = np.random.uniform()
    again = summary.estimate(scores, lambda s: s.mean((0, 1)))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first[0], scores.mean(0))
    np.random.seed(7)
    assert drawn == np.random.uniform()


def test_the_table_is_written_and_printed(tmp_path):
    row = summary.Row(
        setting="a, b",
        seeds=3,
        step=1_000_000,
        mean=10.0,
        mean_low=9.0,
        mean_high=11.123456789,
        interquartile_mean=-1.0,
        interquartile_mean_low=-2.0,
        interquartile_mean_high=0.5,
    )
    unknown = {name: np.nan for name in summary.Row._fields if name.endswith(("_low", "_high"))}
    single = summary.Row(setting="c", seeds=1, step=5, mean=2.0, interquartile_mean=2.0, **unknown)
    summary.write_table([row, single], tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="") as file:
        header, first, second = csv.reader(file)
    assert header[:6] == ["setting", "seeds", "step", "mean", "mean_low", "mean_high"]
    assert header[6:] == ["interquartile_mean", "interquartile_mean_low", "interquartile_mean_high"]
    assert first == ["a, b", "3", "1000000", "10", "9", "11.1235", "-1", "-2", "0.5"]
    assert second == ["c", "1", "5", "2", "", "", "2", "", ""]
    assert summary.format_table([row, single]).splitlines() == [
        "setting  seeds  step       mean [95% interval]  interquartile mean [95% interval]",
        "a, b     3      1,000,000  10.0 [9.0, 11.1]     -1.0 [-2.0, 0.5]",
        "c        1      5          2.0                  2.0",
    ]


def test_the_band_of_the_figure_is_the_interval_of_the_mean(tmp_path, monkeypatch):
    runs = [
        _run(tmp_path / f"{i}", {100: value, 200: 5.0, 300 + i: 0})
        for i, value in enumerate([1.0, 3.0, 8.0])
    ]
    seen = {}
    monkeypatch.setattr(plot, "draw_groups", lambda groups, output, band: seen.update(band=band))
    summary.draw({"x": runs}, tmp_path / "figure.png")
    steps, returns = plot.read_curves(runs)
    assert steps.tolist() == [100, 200] and returns.tolist() == [[1, 5], [3, 5], [8, 5]]
    low, high = seen["band"](returns)
    # Three equal draws have probability 1/27, more than 2.5%.
    assert (low[0], high[0]) == (1.0, 8.0)
    assert (low[1], high[1]) == (5.0, 5.0)
    monkeypatch.undo()
    summary.draw({"x": runs, "y": runs[:1]}, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
