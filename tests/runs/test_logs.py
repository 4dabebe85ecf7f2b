"""Logs of a run: metrics.csv, evaluations.csv, TensorBoard."""

import csv

import pytest
from tqdm import tqdm

from sac_tf.errors import ConfigurationError
from sac_tf.runs import logs
from sac_tf.runs.checkpoints import Progress
from sac_tf.runs.episodes import EpisodeInfo
from sac_tf.runs.logs import RunLog, evaluated_return, evaluated_returns
from sac_tf.runs.terminal import duration
from sac_tf.types import Episode, Evaluation
from tests.runs.curves import shown_curves, written_curve


def _open(root_dir, metric_names=(), keys=(), total_steps=5000, **progress):
    return RunLog(
        root_dir,
        total_steps,
        metric_names,
        Progress(**progress),
        with_evaluations=True,
        unit="step",
        period=1000,
        info=lambda: EpisodeInfo(keys=keys),
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


def test_a_row_that_a_full_disk_cut_off_is_dropped(tmp_path):
    path = tmp_path / "evaluations.csv"
    columns = "step,wall_time,return_mean,return_std,episodes"
    path.write_text(f"{columns}\n1000,1,5,0,10\n2000,1.5")
    assert evaluated_returns(tmp_path) == {1000: 5.0}
    log = _open(tmp_path, step=2000)
    log.evaluation(2000, Evaluation(6.0, 0.0, 10))
    log.close()
    assert evaluated_returns(tmp_path) == {1000: 5.0, 2000: 6.0}


def test_evaluated_steps_are_found(tmp_path):
    assert evaluated_returns(tmp_path) == {}
    (tmp_path / "evaluations.csv").write_text("step,return_mean\n1000,nan\n")
    assert list(evaluated_returns(tmp_path)) == [1000]


def test_success_and_numbers_of_episodes_have_columns(tmp_path):
    log = _open(tmp_path, keys=("x", "y"))
    successes = [
        Episode(1.0, 10, 0, {"success": 1.0, "x": 3.0}, {"success": 1.0}),
        Episode(1.0, 10, 0, {"success": 0.0, "x": 5.0}, {"success": 1.0}),
    ]
    log.advance(1000, successes)
    assert "success 0.50 (once 1.00)" in log._bar.postfix
    log.metrics(1000, {}, replay_size=1, updates=0)
    log.evaluation(1000, Evaluation(1.0, 0.0, 2, 0.25, 0.75, {"info_x": 7.0}))
    log.evaluation(2000, Evaluation(1.0, 0.0, 2))
    log.close()
    (row,) = _rows(tmp_path / "metrics.csv")
    assert (row["episode_success"], row["episode_success_once"]) == ("0.5", "1")
    assert (row["info_x"], row["info_y"]) == ("4", "")
    first, second = _rows(tmp_path / "evaluations.csv")
    assert (first["success_rate"], first["success_once"]) == ("0.25", "0.75")
    assert (first["info_x"], first["info_y"]) == ("7", "")
    assert (second["success_rate"], second["success_once"], second["info_x"]) == ("", "", "")
    curves, _ = shown_curves(tmp_path)
    assert curves["evaluation/success_rate"] == [(1000, 0.25)]
    assert curves["episodes/info_x"] == [(1000, 4)]


def test_files_without_the_newer_columns_are_continued(tmp_path):
    (tmp_path / "evaluations.csv").write_text(
        "step,wall_time,return_mean,return_std,episodes\n1000,1,5,0,10\n"
    )
    (tmp_path / "metrics.csv").write_text("step,wall_time,episode_return\n1000,1,5\n")
    log = _open(tmp_path, step=1000)
    log.metrics(2000, {}, replay_size=1, updates=0)
    log.evaluation(2000, Evaluation(6.0, 0.0, 10, 0.5))
    log.close()
    rows = _rows(tmp_path / "evaluations.csv")
    assert [(row["return_mean"], row["success_rate"]) for row in rows] == [("5", ""), ("6", "0.5")]
    assert [row["step"] for row in _rows(tmp_path / "metrics.csv")] == ["1000", "2000"]


@pytest.mark.parametrize("cut", [0, 5])
def test_tensorboard_shows_the_rows_of_the_csv_files(tmp_path, cut):
    """After a kill, and also if the last event was half written."""
    root = tmp_path / "cheetah"
    root.mkdir()
    killed = _open(root, ["critic_loss", "actor_gradient_norm"])
    for step in (1000, 2000, 3000, 4000):
        killed.metrics(step, {"critic_loss": float(step)}, replay_size=step, updates=0)
        killed.evaluation(step, Evaluation(float(-step), 1.0, 10))
    if cut:
        for path in (root / "tensorboard").rglob("*.v2"):
            path.write_bytes(path.read_bytes()[:-cut])
    log = _open(root, ["critic_loss", "actor_gradient_norm"], step=2000)
    log.settings({"train.seed": "0"})
    for step in (3000, 4000):
        metrics = {"critic_loss": step + 0.5, "actor_gradient_norm": 1.0}
        log.metrics(step, metrics, replay_size=step, updates=0)
        log.evaluation(step, Evaluation(-step - 0.5, 1.0, 10))
    log.close()
    curves, name = shown_curves(root)
    assert curves["losses/critic_loss"] == written_curve(root / "metrics.csv", "critic_loss")
    evaluations = written_curve(root / "evaluations.csv", "return_mean")
    assert curves["evaluation/return_mean"] == evaluations
    assert [step for step, _ in curves["speed/steps_per_second"]] == [1000, 2000, 3000, 4000]
    assert set(curves) > {"replay/replay_size", "gradients/actor_gradient_norm"}
    assert name == "cheetah"


def test_the_duration_is_estimated_once(tmp_path, capsys):
    log = _open(tmp_path, total_steps=10**9)
    for step in range(1000, 6000, 1000):
        log.metrics(step, {}, replay_size=step, updates=max(0, step - 2000))
        said = capsys.readouterr().out
        assert ("left, at" in said) == (step == 4000)
    log.close()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (9, "1 minute"),
        (61, "2 minutes"),
        (7199, "120 minutes"),
        (9000, "2.5 hours"),
        (518400, "6.0 days"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_names_that_are_none_are_refused():
    with pytest.raises(ConfigurationError, match="EpisodeInfo.success_keys must be a sequence"):
        EpisodeInfo(success_keys="is_success")


def test_the_bar_shows_how_many_episodes_are_evaluated(tmp_path, capsys):
    log = _open(tmp_path)
    log.evaluating(3, 10)
    assert "evaluating 3 of 10" in capsys.readouterr().err
    log.evaluating(4, 10)
    assert capsys.readouterr().err == ""  # it was printed a moment ago
    log.advance(1000, [Episode(2.0, 10, 0)])
    log.evaluation(1000, Evaluation(1.0, 0.0, 2))
    assert log._bar.postfix == "return 2.0"
    log.close()


def test_a_disabled_bar_shows_nothing(tmp_path, capsys, monkeypatch):
    """As in the runs of a sweep."""
    monkeypatch.setattr(logs, "progress_bar", lambda *_: tqdm(disable=True))
    log = _open(tmp_path)
    log.evaluating(3, 10)
    log.evaluation(1000, Evaluation(1.0, 0.0, 2))
    log.close()
    assert "evaluating" not in capsys.readouterr().err
