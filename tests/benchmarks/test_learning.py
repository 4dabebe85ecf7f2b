"""The table of learning curves."""

from types import SimpleNamespace

from benchmarks import learning


def test_success_is_written_and_other_columns_are_left_out(tmp_path, monkeypatch):
    run = tmp_path / "run-3"
    run.mkdir()
    (run / "config.gin").write_text("train.environment = 'Pendulum-v1'\ntrain.seed = 3\n")
    (run / "evaluations.csv").write_text(
        "step,wall_time,return_mean,return_std,episodes,success_rate,success_once,info_x\n"
        "100,2.5,-7.5,1.0,10,,0.5,3\n"
    )
    monkeypatch.setattr(learning, "_OUTPUT_DIR", SimpleNamespace(value=tmp_path))
    monkeypatch.setattr(learning, "_NAME", SimpleNamespace(value="curves"))
    monkeypatch.setattr(learning, "_Y", SimpleNamespace(value="return_mean"))
    learning.main([str(run)])
    assert (tmp_path / "curves.csv").read_text().splitlines() == [
        "environment,run,seed,step,return_mean,return_std,episodes,wall_time,success_once",
        "Pendulum-v1,run-3,3,100,-7.5,1.0,10,2.5,0.5",
    ]
    assert (tmp_path / "curves.png").stat().st_size > 1000
