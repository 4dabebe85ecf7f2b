"""The Python interface: `sac_tf.Training` and `sac_tf.load_policy`, without gin and absl."""

import subprocess
import sys

import gin
import numpy as np
import pytest

import sac_tf
from sac_tf.errors import ConfigurationError
from sac_tf.runs import folder
from sac_tf.runs.configuration import read_settings
from tests import spaces
from tests.binaries.running import call_program

SMALL = """
actor.hidden_units = (8, 8)
critic.hidden_units = (8, 8)
update.updates_per_call = 1
tables.capacity = 1000
Evaluator.episodes = 2
"""
NUMBERS = {
    "total_steps": np.int64(60),
    "random_steps": np.int32(40),
    "evaluation_period": 60,
    "checkpoint_period": 60,
    "batch_size": 8,
    "discount": np.float32(0.5),
}


@pytest.fixture(autouse=True)
def _small():
    _bind_small()


def _bind_small():
    assert sac_tf.Training  # registers what the bindings name
    gin.clear_config()  # and unlocks it
    gin.parse_config(SMALL)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of an importable function."""
    root_dir = tmp_path_factory.mktemp("run")
    _bind_small()
    settings = {**NUMBERS, "environment": spaces.make_point}
    outcome = sac_tf.Training(**settings).run(str(root_dir))
    assert outcome.step == 60 and outcome.evaluation.episodes == 2
    return root_dir


def test_the_settings_of_the_run_are_in_its_folder(trained):
    settings = read_settings(trained / folder.CONFIGURATION)
    assert settings["train.environment"] == "'tests.spaces:make_point'"
    assert settings["train.total_steps"] == "60"
    assert settings["train.discount"] == "0.5"


def test_another_environment_in_the_folder_is_refused(trained):
    settings = {**NUMBERS, "environment": "tests.spaces:Base-v0"}
    with pytest.raises(ConfigurationError, match="train.environment was 'tests.spaces:make_point'"):
        sac_tf.Training(**settings).run(str(trained))


@pytest.mark.parametrize("name", ["", folder.POLICY])
def test_a_loaded_policy_acts_on_one_observation(trained, name):
    policy = sac_tf.load_policy(trained / name)
    action = policy([0.1, 0.2, 0.3])
    assert action.shape == (1,) and -1 <= action[0] <= 1
    (batch,) = policy.act(np.float32([[0.1, 0.2, 0.3]]))
    np.testing.assert_array_equal(action, batch)
    with pytest.raises(ConfigurationError, match=r"must be float32 \[B, 3\]"):
        policy([0.1, 0.2])


def test_loading_a_policy_leaves_the_settings_alone(trained):
    before = gin.config_str()
    sac_tf.load_policy(trained)
    assert gin.config_str() == before
    assert gin.query_parameter("actor.hidden_units") == (8, 8)


def test_a_folder_without_a_policy_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="is neither the folder of a run"):
        sac_tf.load_policy(tmp_path)


def test_the_programs_work_on_the_folder(trained, tmp_path):
    code, out, err = call_program("evaluate", f"--root_dir={trained}", "--episodes=1")
    assert code == 0, err
    assert "tests.spaces:make_point, policy of step 60" in out
    exported = f"--export_dir={tmp_path / 'policy'}"
    code, out, err = call_program("export_policy", f"--root_dir={trained}", exported)
    assert code == 0, err
    code, out, err = call_program("plot", f"--output={tmp_path / 'curve.png'}", str(trained))
    assert code == 0, err


def test_a_function_that_cannot_be_imported_trains_and_is_named(tmp_path):
    outcome = sac_tf.Training(**NUMBERS, environment=lambda: spaces.make_point()).run(str(tmp_path))
    assert outcome.step == 60
    assert sac_tf.load_policy(tmp_path)([0.0, 0.0, 0.0]).shape == (1,)
    code, _, err = call_program("evaluate", f"--root_dir={tmp_path}")
    assert code == 2
    assert "a function that cannot be imported" in err and "<lambda>" in err


def test_a_task_that_cannot_be_made_here_is_not_needed(trained, monkeypatch):
    """A robot's host is gone, or the package of the task is not installed."""

    def refuse(gain=1.0):
        raise ConnectionRefusedError("no robot here")

    monkeypatch.setattr(spaces, "make_point", refuse)
    assert sac_tf.load_policy(trained)([0.0, 0.0, 0.0]).shape == (1,)
    code, _, err = call_program("evaluate", f"--root_dir={trained}")
    assert code == 2 and "ConnectionRefusedError: no robot here" in err


def test_importing_sac_tf_imports_no_tensorflow():
    program = "import sac_tf, sys; print('tensorflow' in sys.modules); sac_tf.nothing"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False"
    assert "module 'sac_tf' has no attribute 'nothing'" in done.stderr


def test_the_network_of_the_run_is_restored(trained):
    """The widths come from the configuration in the folder, not from this process."""
    gin.clear_config()
    gin.bind_parameter("actor.hidden_units", (4,))
    assert sac_tf.load_policy(trained).act(np.zeros((2, 3), np.float32)).shape == (2, 1)
