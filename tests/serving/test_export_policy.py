"""Exported policies act like the policy in this process, and replace each other atomically."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from sac_tf import files
from sac_tf.environments.spaces import action_leaves
from sac_tf.errors import ConfigurationError
from sac_tf.networks.distributions import clamp_log_std
from sac_tf.serving import export_policy, loading
from sac_tf.serving.policy_spec import FILE_NAME
from sac_tf.serving.signatures import scale_to_task, to_task_structure
from sac_tf.types import EnvironmentSpec
from tests.serving.exported import HIGH, LOW, describe, make_spec, make_state, observations, write

INPUTS = {"hand_force_1": ("hand", "force 1"), "hand_grid": ("hand", "grid"), "seed_": ("seed",)}


def _inputs(observation):
    """Returns the observation with the input names of the signatures."""
    force, grid, seed = tf.nest.flatten(observation)
    return {
        "hand_force_1": tf.constant(force),
        "hand_grid": tf.constant(grid),
        "seed_": tf.constant(seed),
    }


def _mean(state, observation):
    """The oracle: the policy's mean action, scaled to the bounds in float64."""
    squashed = state.policy(observation).mean_action().numpy().astype(np.float64)
    return LOW + (squashed + 1) / 2 * (HIGH.astype(np.float64) - LOW)


@pytest.fixture(scope="module")
def signatures(saved_model):
    """The signatures of the loaded SavedModel."""
    return tf.saved_model.load(str(saved_model[0])).signatures


@pytest.mark.parametrize("size", [1, 7])
def test_serving_default_is_the_mean_action_within_bounds(saved_model, signatures, size):
    observation = observations(size)
    action = signatures["serving_default"](**_inputs(observation))["action"].numpy()
    np.testing.assert_allclose(action, _mean(saved_model[1], observation), atol=1e-6)
    assert action.shape == (size, 2) and np.all(action >= LOW) and np.all(action <= HIGH)


def test_saturated_actions_are_exactly_within_bounds(signatures):
    huge = tf.nest.map_structure(lambda leaf: 1e6 * leaf, observations(200))
    action = signatures["serving_default"](**_inputs(huge))["action"].numpy()
    assert np.all(action >= LOW) and np.all(action <= HIGH)
    np.testing.assert_allclose(np.where(action > (LOW + HIGH) / 2, HIGH, LOW), action, atol=1e-6)


def test_float64_actions_are_within_bounds_beyond_float32():
    """The nearest float32 of 1.1 is above it, so that the space would not contain the action."""
    space = gymnasium.spaces.Box(np.array([-0.3, -1.0]), np.array([1.1, 1.0]), dtype=np.float64)
    observation = make_spec().observation_leaves
    spec = EnvironmentSpec(observation, action_leaves("a task", space))
    (actions,) = to_task_structure(tf.constant([[1.0, 1.0], [-1.0, -1.0]]), spec)
    assert all(space.contains(action) for action in actions.numpy())
    np.testing.assert_allclose(actions, [space.high, space.low], rtol=1e-6)


def test_sample_has_the_policy_distribution_and_is_seeded(saved_model, signatures):
    state = saved_model[1]
    sample = signatures["sample"]
    one = observations(1)
    many = tf.nest.map_structure(lambda leaf: np.repeat(leaf, 4000, axis=0), one)

    def draw(seed):
        return sample(**_inputs(many), seed=tf.constant(seed, tf.int64))["action"].numpy()

    drawn = draw(3)
    np.testing.assert_array_equal(drawn, draw(3))
    assert np.abs(drawn - draw(4)).max() > 0.01 and np.abs(drawn - draw(3 + 2**40)).max() > 0.01
    sampled = state.policy(one).sample(4000, seed=[1, 2])
    expected = scale_to_task(sampled, make_spec()).numpy()[:, 0]
    for moment in (np.mean, np.std):
        np.testing.assert_allclose(moment(drawn, axis=0), moment(expected, axis=0), atol=0.06)


def test_distribution_is_the_gaussian_before_squashing(saved_model, signatures):
    state = saved_model[1]
    observation = observations(5)
    result = signatures["distribution"](**_inputs(observation))
    loc, log_std = state.policy.network([observation])
    np.testing.assert_allclose(result["loc"], loc, rtol=1e-6)
    np.testing.assert_allclose(result["scale"], np.exp(clamp_log_std(log_std)), rtol=1e-6)


def test_a_signature_outlives_the_loaded_object(saved_model):
    signature = tf.saved_model.load(str(saved_model[0])).signatures["serving_default"]
    assert signature(**_inputs(observations(1)))["action"].shape == (1, 2)
    assert not signature.variables


def test_an_untested_tensorflow_raises_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(tf, "__version__", "2.99.0")
    with pytest.raises(ConfigurationError, match="2.99.0 is installed.*2.15.x; install"):
        write(tmp_path / "policy")
    assert not list(tmp_path.iterdir())


def test_policy_spec_describes_the_folder(saved_model):
    content = json.loads((saved_model[0] / FILE_NAME).read_text())
    assert {leaf["name"]: tuple(leaf["path"]) for leaf in content["observation"]} == INPUTS
    assert [leaf["shape"] for leaf in content["observation"]] == [[3], [2, 2], [1]]
    (action,) = content["action"]
    assert (action["name"], action["path"], action["shape"]) == ("action", [], [2])
    assert (action["low"], action["high"]) == (LOW.tolist(), HIGH.tolist())
    assert (
        content["environment"]["task"],
        content["step"],
        content["return"],
        content["format"],
    ) == (
        "none",
        12,
        -3.5,
        "saved_model",
    )
    assert content["versions"]["tensorflow"] == tf.__version__
    assert "saved_model.pb" in content["files"] and FILE_NAME not in content["files"]


def test_tflite_gives_the_same_mean_actions(saved_model, tmp_path):
    state = write(tmp_path / "policy", export_policy.TFLITE)
    policy = loading.load(tmp_path / "policy")
    for size in (1, 7):
        observation = observations(size)
        np.testing.assert_allclose(policy.act(observation), _mean(state, observation), atol=1e-5)
        np.testing.assert_allclose(
            policy.act(observation), loading.load(saved_model[0]).act(observation), atol=1e-5
        )


def test_saved_model_cli_runs_the_signatures(saved_model, signatures, tmp_path):
    np.save(tmp_path / "grid.npy", np.zeros([1, 2, 2], np.float32))
    expressions = "hand_force_1=[[0.5, 1, 2]];seed_=[[3.0]]"
    program = str(Path(sys.executable).with_name("saved_model_cli"))
    common = [program, "run", "--dir", str(saved_model[0]), "--tag_set", "serve"]
    common += ["--inputs", f"hand_grid={tmp_path}/grid.npy"]
    common += ["--outdir", str(tmp_path), "--overwrite"]
    inputs = {"serving_default": expressions, "sample": expressions + ";seed=5"}
    for signature, given in inputs.items():
        command = [*common, "--signature_def", signature, "--input_exprs", given]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        tensors = {
            "hand_force_1": tf.constant([[0.5, 1, 2]]),
            "hand_grid": tf.zeros([1, 2, 2]),
            "seed_": tf.constant([[3.0]]),
        }
        if signature == "sample":
            tensors["seed"] = tf.constant(5, tf.int64)
        expected = signatures[signature](**tensors)["action"]
        np.testing.assert_allclose(np.load(tmp_path / "action.npy"), expected, atol=1e-6)


def test_exporting_again_replaces_the_policy(tmp_path):
    old = write(tmp_path / "policy", seed=1)
    new = write(tmp_path / "policy", seed=2)
    policy = loading.load(tmp_path / "policy")
    observation = observations(1)
    np.testing.assert_allclose(policy.act(observation), _mean(new, observation), atol=1e-6)
    assert np.abs(policy.act(observation) - _mean(old, observation)).max() > 1e-3
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_is_replaced_atomically_or_not_at_all(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
    folder = tmp_path / "deep" / "policy"
    seen = []

    def write_text(text, fail=False):
        def fill(unfinished):
            seen.append((folder / "file").read_text() if folder.exists() else None)
            (unfinished / "file").write_text(text)
            if fail:
                raise OSError(28, "No space left on device")

        return fill

    files.replace_folder(folder, write_text("first"))
    files.replace_folder(folder, write_text("second"))
    with pytest.raises(OSError, match="No space"):
        files.replace_folder(folder, write_text("third", fail=True))
    assert seen == [None, "first", "second"] and (folder / "file").read_text() == "second"
    assert [path.name for path in folder.parent.iterdir()] == ["policy"]


def test_an_export_replaces_the_rest_of_a_killed_export(tmp_path):
    (tmp_path / ".policy.unfinished").mkdir()
    (tmp_path / ".policy.unfinished" / "saved_model.pb").write_text("half")
    write(tmp_path / "policy")
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


def test_only_exported_policies_are_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    spec = make_spec()
    for folder in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(ConfigurationError, match="no exported policy"):
            export_policy.export(make_state(spec).policy, describe("none", spec), folder=folder)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_folders_that_tensorflow_cannot_read_are_refused(tmp_path):
    folder = tmp_path / "policy [1]"
    with pytest.raises(ConfigurationError, match="rename the folder"):
        write(folder)
    assert not folder.exists()
    write(folder, export_policy.TFLITE)
    assert loading.load(folder).act(observations(2)).shape == (2, 2)


def test_a_copied_folder_loads(saved_model, tmp_path):
    shutil.copytree(saved_model[0], tmp_path / "copy")
    assert loading.load(tmp_path / "copy").act(observations(2)).shape == (2, 2)
