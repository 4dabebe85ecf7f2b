"""Logs of a run: metrics.csv, evaluations.csv, TensorBoard."""

import csv

import pytest

from sac_tf.runs.checkpoints import Progress
from sac_tf.runs.logs import RunLog, evaluated_return
from sac_tf.types import Episode, Evaluation


def _open(root_dir, metric_names=(), **progress):
    return RunLog(
        root_dir, 5000, metric_names, Progress(**progress), with_evaluations=True, period=1000
    )


def _rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_log_resumes_at_the_checkpoint(tmp_path):
    log = _open(tmp_path, ["critic_loss"])
    for step in (1000, 2000, 3000):
        log.advance(1000, [Episode(float(step), 10, 0), Episode(0.0, 20, 0)])
        log.metrics(step, {"critic_loss": step / 7}, replay_size=step, updates=step)
        log.evaluation(step, Evaluation(step / 3, 1.0, 10))
    log.close()
    again = _open(tmp_path, ["critic_loss"], step=2000, elapsed=50.0)
    assert 50 <= again.elapsed < 60
    again.metrics(3000, {}, replay_size=1, updates=0)
    again.close()
    rows = _rows(tmp_path / "metrics.csv")
    assert [(row["step"], row["critic_loss"]) for row in rows] == [
        ("1000", "142.857"),
        ("2000", "285.714"),
        ("3000", ""),
    ]
    assert (rows[0]["episode_return"], rows[0]["episode_length"]) == ("500", "15")
    assert [row["step"] for row in _rows(tmp_path / "evaluations.csv")] == ["1000", "2000"]
    assert list((tmp_path / "tensorboard").iterdir())


def test_speeds_after_a_restart_count_from_the_checkpoint(tmp_path, capsys):
    log = _open(tmp_path, step=2000, elapsed=50.0)
    log.resume(updates=1500, checkpoint=tmp_path)
    log.metrics(3000, {}, replay_size=3000, updates=2000)
    log.close()
    assert f"Resuming from step 2,000 ({tmp_path})." in capsys.readouterr().out
    (row,) = _rows(tmp_path / "metrics.csv")
    ratio = float(row["updates_per_second"]) / float(row["steps_per_second"])
    assert ratio == pytest.approx((2000 - 1500) / (3000 - 2000), rel=1e-3)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [("1000,5\n2000,7\n", 7.0), ("1000,5\n", None), ("2000,nan\n", None), ("", None)],
)
def test_the_return_of_an_evaluation_is_found(tmp_path, rows, expected):
    (tmp_path / "evaluations.csv").write_text(f"step,return_mean\n{rows}")
    assert evaluated_return(tmp_path, 2000) == expected


def test_a_run_without_evaluations_has_no_return(tmp_path):
    assert evaluated_return(tmp_path, 2000) is None
