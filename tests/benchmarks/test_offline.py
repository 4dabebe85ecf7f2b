"""The table of algorithms for stored data."""

import csv
from types import SimpleNamespace

import pytest

from benchmarks import offline
from sac_tf.errors import ConfigurationError

PAGE = "before\n<!-- book: offline -->\nold\n<!-- end -->\nafter\n"
UPDATES = 100_000


def write_run(folder, seed, last, step=UPDATES):
    folder.mkdir(parents=True)
    (folder / "config.gin").write_text(
        f"train.environment = 'shimmy:dm_control/walker-walk-v0'\ntrain.seed = {seed}\n"
        f"train_offline.dataset = '/data/walker/mixed'\ntrain_offline.updates = {UPDATES}\n"
    )
    (folder / "evaluations.csv").write_text(
        "step,wall_time,return_mean,return_std,episodes\n"
        "10000,30,-99,0.5,10\n20000,60,0,0.5,10\n30000,60,5,0.5,10\n40000,60,0,0.5,10\n"
        f"50000,60,0,0.5,10\n{step},150,{last},0.5,10\n"
    )


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.setattr(offline, "RESULTS", tmp_path / "offline_returns.csv")
    monkeypatch.setattr(offline, "PAGE", tmp_path / "offline.md")
    monkeypatch.setattr(offline, "_COMMIT", SimpleNamespace(value="abc1234"))
    offline.PAGE.write_text(PAGE)
    return tmp_path


def test_finished_runs_are_added_to_the_file_and_the_page(paths):
    for seed, last in enumerate([10, 20, 60]):
        write_run(paths / "sweep/TD3_+_BC" / f"seed-{seed}", seed, last)
    write_run(paths / "sweep/IQL/seed-0", 0, 10)
    write_run(paths / "sweep/IQL/seed-1", 1, 7, step=90_000)
    offline.main([str(paths / "sweep")])
    offline.main([str(paths / "sweep")])
    rows = list(csv.DictReader((paths / "offline_returns.csv").read_text().splitlines()))
    assert len(rows) == 6 * 4
    names = [rows[1][column] for column in ("algorithm", "task", "seed", "commit")]
    assert names == ["IQL", "walker-walk-v0, mixed", "0", "abc1234"]
    assert offline.PAGE.read_text().splitlines()[2:-2] == [
        "",
        "| data set | algorithm | last five evaluations: mean [95% interval] | each seed "
        "| last evaluation, each seed | minutes of a run |",
        "| --- | --- | --- | --- | --- | --- |",
        "| walker-walk-v0, mixed | IQL | 3 | 3 | 10 | 2 |",
        "| walker-walk-v0, mixed | TD3 + BC | 7 [3, 13] | 3, 5, 13 | 10, 20, 60 | 2 |",
        "",
    ]


def test_a_folder_without_finished_runs_is_refused(paths):
    write_run(paths / "sweep/IQL/seed-1", 1, 7, step=90_000)
    with pytest.raises(ConfigurationError, match="sweep holds no finished run"):
        offline.main([str(paths / "sweep")])
    assert offline.PAGE.read_text() == PAGE
