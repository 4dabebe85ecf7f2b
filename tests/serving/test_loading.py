"""Loading of exported policies: light imports, and errors for everything that does not fit."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.serving import export_policy, loading
from sac_tf.serving.policy_spec import FILE_NAME
from tests.serving.exported import HIGH, LOW, describe, make_spec, make_state, observations, write

HEAVY = ("tensorflow_probability", "tf_agents", "reverb", "sac_tf.agents")


@pytest.fixture
def folder(saved_model, tmp_path):
    return shutil.copytree(saved_model[0], tmp_path / "policy")


def test_loading_imports_no_training_code():
    program = f"import sys, sac_tf.serving.loading; print({{*{HEAVY}}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "set()"


def _edit(folder, change):
    content = json.loads((folder / FILE_NAME).read_text())
    change(content)
    (folder / FILE_NAME).write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / FILE_NAME).unlink(), "holds no exported policy"),
        (lambda f: (f / "saved_model.pb").unlink(), r"half written or damaged \(saved_model.pb\)"),
        (
            lambda f: (f / "saved_model.pb").write_bytes(b"half"),
            r"half written or damaged \(saved_model.pb\)",
        ),
        (lambda f: (f / FILE_NAME).write_text("{"), "policy_spec.json is damaged"),
        (lambda f: (f / FILE_NAME).write_text("[1]"), "policy_spec.json is damaged"),
        (lambda f: _edit(f, lambda content: content.pop("action")), "policy_spec.json is damaged"),
        (
            lambda f: _edit(f, lambda content: content.update(format="onnx")),
            "has the format 'onnx'",
        ),
        (lambda f: _edit(f, lambda content: content.update(format="tflite")), "cannot be loaded"),
        (
            lambda f: _edit(f, lambda content: content["observation"][0].update(shape=[4])),
            "cannot be loaded",
        ),
        (lambda f: _edit(f, lambda content: content["observation"].pop()), "cannot be loaded"),
        (shutil.rmtree, "holds no exported policy"),
    ],
)
def test_an_incomplete_or_damaged_policy_raises_one_sentence(folder, harm, message):
    harm(folder)
    with pytest.raises(ConfigurationError, match=message) as error:
        loading.load(folder)
    assert "\n" not in str(error.value)


def test_additional_files_in_the_folder_are_ignored(folder):
    (folder / "NOTES").write_text("the good one")
    assert loading.load(folder).spec.step == 12


@pytest.mark.parametrize(
    "form", [export_policy.SAVED_MODEL, export_policy.TFLITE], ids=lambda form: form.name
)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda o: o.pop("seed"), "has no 'seed'"),
        (lambda o: o["hand"].pop("grid"), "has no 'hand/grid'"),
        (lambda o: o.update(hand=np.zeros([1, 7])), "has no 'hand/force 1'"),
        (lambda o: o.update(seed={"seed": o["seed"]}), "'seed_' must be an array"),
        (
            lambda o: o.update(seed=o["seed"].astype(np.float64)),
            r"'seed_' must be float32 \[B, 1\], got float64 \[1, 1\]",
        ),
        (lambda o: o.update(seed=o["seed"][0]), r"must be float32 \[B, 1\], got float32 \[1\]"),
        (
            lambda o: o["hand"].update(grid=np.zeros([1, 4], np.float32)),
            r"float32 \[B, 2, 2\], got float32 \[1, 4\]",
        ),
    ],
)
def test_a_wrong_observation_raises_one_sentence(tmp_path_factory, form, change, message):
    folder = tmp_path_factory.getbasetemp() / f"checked-{form.name}"
    if not folder.exists():
        write(folder, form)
    observation = observations(1)
    change(observation)
    with pytest.raises(ConfigurationError, match=message):
        loading.load(folder).act(observation)


def test_another_observation_or_other_bounds_raise():
    spec = describe("Task-v0", make_spec())
    spec.require_fit(make_spec())
    with pytest.raises(
        ConfigurationError, match=r"does not fit Task-v0: its lower action bounds are \(-2.0, -0.4"
    ):
        spec.require_fit(make_spec(low=LOW - 1))
    with pytest.raises(ConfigurationError, match="its upper action bounds"):
        spec.require_fit(make_spec(high=HIGH + 1))
    flat = make_spec()
    object.__setattr__(flat, "observation", tf.TensorSpec([3], tf.float32, name="observation"))
    with pytest.raises(
        ConfigurationError, match=r"those of the environment \(observation float32 \[3\]\)"
    ):
        spec.require_fit(flat)


def test_a_task_that_is_not_installed_raises():
    policy = loading.ExportedPolicy(describe("Nowhere-v0", make_spec()), act=lambda _: None)
    with pytest.raises(ConfigurationError, match="task of the policy is not available"):
        loading.require_fit(policy)


def test_input_names_are_distinct_identifiers():
    observation = {
        name: tf.TensorSpec([1], tf.float32) for name in ("a b", "a_b", "1", "seed", "class")
    }
    spec = make_spec()
    object.__setattr__(spec, "observation", observation)
    names = [leaf.name for leaf in describe("x", spec).observation]
    assert sorted(names) == ["_1", "a_b", "a_b_", "class", "seed_"]
    assert make_state(spec) is not None
