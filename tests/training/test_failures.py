"""Interrupts and failures in a run: what was collected is saved, and the run resumes."""

import json
import os
import signal

import numpy as np
import pytest

from sac_tf.errors import RunError
from sac_tf.runs.logs import RunLog
from sac_tf.training.loop import Run
from tests import tasks
from tests.toy import Counter
from tests.training.left_behind import saved_rows, saved_steps
from tests.training.small_runs import small_training

pytestmark = pytest.mark.usefixtures("without_export")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_resumes(tmp_path, monkeypatch, number):
    learn = Run._learn

    def learn_and_signal(self, step):
        if step == 150:
            os.kill(os.getpid(), number)
        return learn(self, step)

    monkeypatch.setattr(Run, "_learn", learn_and_signal)
    outcome = small_training().run(str(tmp_path))
    assert outcome.stopped_by == number and outcome.step == 150
    progress = json.loads((tmp_path / "checkpoints/step-000000150/progress.json").read_text())
    assert progress["step"] == 150
    monkeypatch.setattr(Run, "_learn", learn)
    assert small_training(total_steps=200).run(str(tmp_path)).step == 200


def test_a_run_that_only_collects_says_so(tmp_path, capsys):
    """Calls have one update; with random actions in the first 40 steps, the first is step 41."""
    words = "The policy will not be trained: train.total_steps=40, and the first updates are due at"
    small_training("update.updates_per_call = 1", total_steps=40, random_steps=40).run(
        str(tmp_path / "a")
    )
    assert f"{words} step 41." in capsys.readouterr().out
    small_training("update.updates_per_call = 1", total_steps=41, random_steps=40).run(
        str(tmp_path / "b")
    )
    assert "will not be trained" not in capsys.readouterr().out


def test_a_nan_observation_stops_before_it_is_stored(tmp_path):
    """And all rows before it are saved."""
    with pytest.raises(
        RunError, match=r"gave nan in next_observation at step 98; .* is in .*step-000000097"
    ) as caught:
        small_training(environment="tests.toy:Poisoned-v0").run(str(tmp_path))
    assert "\n" not in str(caught.value)
    rows = saved_steps(tmp_path / "checkpoints/step-000000097")
    assert len(rows) == 97 and np.isfinite(rows).all()


def test_a_diverged_state_is_saved_for_debugging(tmp_path):
    training = small_training("update.updates_per_call = 2", environment="tests.toy:Steep-v0")
    with pytest.raises(
        RunError, match=r"critic_\w+ is (inf|nan) after update 2 at step 102.*diverged-000000102"
    ):
        training.run(str(tmp_path))
    assert (tmp_path / "checkpoints" / "diverged-000000102").is_dir()


_LOST = r"raised ConnectionResetError in step\(\) \(.*reset by peer\)\."


@pytest.mark.parametrize(
    ("task", "words", "evaluation_period", "saved"),
    [
        ("JointError", r"raised RuntimeError in step\(\) \(joint 3 is out of range\)\.", 1000, 129),
        ("ConnectionLost", _LOST, 1000, 129),
        ("ConnectionLost", _LOST, 120, 120),  # in an evaluation
        ("SimulatorTimeout", r"raised TimeoutError in step\(\) \(simulator did not .*", 1000, 129),
        ("SimulatorExits", r"SystemExit.*\(3\)\.", 1000, 129),
    ],
)
def test_what_a_task_raises_loses_nothing(
    tmp_path, monkeypatch, task, words, evaluation_period, saved
):
    """While training, and in an evaluation."""
    monkeypatch.setattr(getattr(tasks, task), "count", 0)
    settings = {"environment": f"tests.tasks:{task}-v0", "evaluation_period": evaluation_period}
    with pytest.raises(RunError, match=words) as caught:
        small_training(**settings).run(str(tmp_path))
    checkpoint = tmp_path / f"checkpoints/step-{saved:09d}"
    assert str(caught.value).endswith(f" All that was collected is in {checkpoint}.")
    assert "Cannot write" not in str(caught.value) and "\n" not in str(caught.value)
    assert len(saved_steps(checkpoint)) == saved


def test_a_reset_that_raises_loses_no_end_of_an_episode(tmp_path, monkeypatch):
    """Two episodes of 40 steps, the last of which are truncated."""
    monkeypatch.setattr(tasks.ResetFails, "count", 0)
    training = small_training("Evaluator.episodes = 0", environment="tests.tasks:ResetFails-v0")
    with pytest.raises(RunError, match=r"raised ConnectionResetError in reset\(\).*-000000080\.$"):
        training.run(str(tmp_path))
    rows = saved_rows(tmp_path / "checkpoints/step-000000080")
    assert [len(episode) for episode in rows] == [40 + 1, 40 + 1]


def test_a_log_that_cannot_be_written_loses_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(RunLog, "metrics", fail)
    with pytest.raises(RunError) as caught:
        small_training().run(str(tmp_path))
    checkpoint = tmp_path / "checkpoints/step-000000100"
    assert str(caught.value) == (
        f"Cannot write in {tmp_path} (no space). All that was collected is in {checkpoint}."
    )
    assert checkpoint.is_dir()


def test_an_environment_that_raises_loses_nothing(tmp_path, monkeypatch):
    step = Counter.step
    monkeypatch.setattr(
        Counter, "step", lambda self, a: step(self, a) if self._episode < 30 else 1 / 0
    )
    with pytest.raises(RunError, match=r"raised ZeroDivisionError in step\(\).*step-000000145"):
        small_training().run(str(tmp_path))
    assert (tmp_path / "checkpoints/step-000000145").is_dir()
