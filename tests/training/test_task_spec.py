"""The spec of the task in a run: a changed task is refused, a missing one is not needed."""

import gymnasium
import numpy as np
import pytest

from sac_tf.distributed import connection, learner, replay_server
from sac_tf.errors import ConfigurationError
from sac_tf.runs import folder
from tests import spaces
from tests.binaries.running import call_program
from tests.training.small_runs import small_training

TASK = "tests.spaces:Base-v0"
SHORT = {"total_steps": 40, "random_steps": 40, "checkpoint_period": 20, "evaluation_period": 40}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root_dir = tmp_path_factory.mktemp("run")
    small_training(environment=TASK, **SHORT).run(str(root_dir))
    return root_dir


def _wider():
    return gymnasium.spaces.Box(-10, 10, (4,), np.float32)


def _stronger():
    return gymnasium.spaces.Box(-10, 10, (1,), np.float32)


@pytest.mark.parametrize(
    ("name", "space", "words"),
    [
        (
            "observation_space",
            _wider,
            "observations (observation float32 [3]) instead of (observation float32 [4])",
        ),
        (
            "action_space",
            _stronger,
            "actions (action float32 [1] from [-1] to [1]) instead of (action float32 [1] from [-1",
        ),
    ],
)
def test_a_changed_task_is_refused(run, monkeypatch, name, space, words):
    monkeypatch.setattr(spaces.Base, name, space())
    with pytest.raises(ConfigurationError) as caught:
        small_training(environment=TASK, **{**SHORT, "total_steps": 60}).run(str(run))
    assert words in str(caught.value)
    assert f"{TASK} has changed since the run in {run} began" in str(caught.value)
    for flag in (f"--root_dir={run}", f"--policy={run}/policy"):
        code, _, err = call_program("evaluate", flag)
        assert code == 2 and words in err, err


def test_a_damaged_spec_is_one_sentence(run):
    text = (run / folder.TASK).read_text()
    (run / folder.TASK).write_text("{")
    code, _, err = call_program("evaluate", f"--root_dir={run}")
    (run / folder.TASK).write_text(text)
    assert code == 2
    assert err == (
        f"{run}/task.json cannot be read; delete it where the task can be made, and it is written "
        "again.\n"
    )


def test_a_robot_is_not_needed_to_export_or_to_learn(run, monkeypatch, tmp_path):
    def refuse(self, render_mode=None):
        raise ConnectionRefusedError("no robot here")

    monkeypatch.setattr(spaces.Base, "__init__", refuse)
    code, _, err = call_program(
        "export_policy", f"--root_dir={run}", f"--export_dir={tmp_path}/out"
    )
    assert code == 0, err
    (tmp_path / folder.TASK).write_text((run / folder.TASK).read_text())
    monkeypatch.setattr(connection, "connect", _stop)
    training = small_training(environment=TASK)
    with pytest.raises(KeyboardInterrupt):
        learner.run(str(tmp_path), ["localhost:1"], training)
    (tmp_path / folder.TASK).unlink()
    with pytest.raises(ConfigurationError, match="ConnectionRefusedError: no robot here"):
        learner.run(str(tmp_path), ["localhost:1"], training)


def test_a_robot_is_not_needed_to_serve_rows(run, monkeypatch, tmp_path):
    def refuse(self, render_mode=None):
        raise ConnectionRefusedError("no robot here")

    monkeypatch.setattr(spaces.Base, "__init__", refuse)
    monkeypatch.setattr(replay_server, "locked", _stop)
    training = small_training(environment=TASK)
    with pytest.raises(ConfigurationError, match="ConnectionRefusedError: no robot here"):
        replay_server.run(str(tmp_path), 0, training)
    (tmp_path / folder.TASK).write_text((run / folder.TASK).read_text())
    with pytest.raises(KeyboardInterrupt):
        replay_server.run(str(tmp_path), 0, training)


def _stop(*arguments):
    """The learner has come as far as its connection, or the server as its folder."""
    raise KeyboardInterrupt


def test_a_task_that_raises_in_close_ends_well(tmp_path, caplog):
    training = small_training(environment="tests.spaces:RaisesInClose-v0", **SHORT)
    assert training.run(str(tmp_path)).step == 40
    assert "raised AttributeError in close()" in caplog.text
    code, out, err = call_program("evaluate", f"--root_dir={tmp_path}", "--episodes=1")
    assert code == 0 and "Evaluation return" in out, err
