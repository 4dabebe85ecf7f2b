"""Loading of exported policies: light imports, and errors for everything that does not fit."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.leaves import ObservationLeaf
from sac_tf.serving import export_policy, loading
from sac_tf.serving.policy_spec import FILE_NAME, one_observation
from sac_tf.types import EnvironmentSpec
from tests.serving.exported import HIGH, LOW, make_spec, make_state, observations, write

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


@pytest.fixture(
    scope="module",
    params=[export_policy.SAVED_MODEL, export_policy.TFLITE],
    ids=lambda form: form.name,
)
def loaded(request, saved_model, tmp_path_factory):
    """A loaded policy of each format."""
    folder = saved_model[0]
    if request.param is export_policy.TFLITE:
        folder = tmp_path_factory.mktemp("exported") / "tflite"
        write(folder, request.param)
    return loading.load(folder)


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
def test_a_wrong_observation_raises_one_sentence(loaded, change, message):
    observation = observations(1)
    change(observation)
    with pytest.raises(ConfigurationError, match=message):
        loaded.act(observation)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.full([2, 2], 0.5), "must be uint8, got float64 that this type cannot hold"),
        (np.full([2, 2], 300), "must be uint8, got int64 that this type cannot hold"),
        ("abc", "must be an array of numbers, got 'abc'"),
        ([[1], [2, 3]], "must be an array of numbers"),
    ],
)
def test_numbers_that_a_type_cannot_hold_are_refused(value, words):
    """An image whose values were scaled to [0, 1] would become 0 everywhere."""
    leaf = ObservationLeaf("image", (), (2, 2), "uint8")
    with pytest.raises(ConfigurationError, match=words):
        one_observation(leaf, value)


@pytest.mark.parametrize("value", [1, 7])
def test_categories_outside_of_their_space_are_refused(value):
    leaf = ObservationLeaf("gear", (), (), "int64", categories=(5,), start=(2,))
    with pytest.raises(ConfigurationError, match=rf"^Observation gear = {value}, outside of its"):
        one_observation(leaf, value)
    assert one_observation(leaf, 6).tolist() == [6]


def test_numbers_of_another_type_are_taken():
    image = ObservationLeaf("image", (), (2, 2), "uint8")
    found = one_observation(image, [[0, 255], [7, 3]])
    assert found.dtype == np.uint8 and found.tolist() == [[[0, 255], [7, 3]]]
    number = ObservationLeaf("number", (), (2,), "float32")
    np.testing.assert_array_equal(one_observation(number, [1, 2.5]), [[1, 2.5]])


def test_the_difference_between_two_tasks_is_named():
    spec = make_spec()
    assert spec.difference(make_spec()) is None
    assert re.search(
        r"actions \(.*from \[-2, -0.4\] .* instead of \(.*-3, -1.4",
        spec.difference(make_spec(low=LOW - 1)),
    )
    assert "actions" in spec.difference(make_spec(high=HIGH + 1))
    flat = EnvironmentSpec.of_arrays(tf.TensorSpec([3]), LOW, HIGH)
    assert spec.difference(flat).endswith("instead of (observation float32 [3])")


def test_input_names_are_distinct_identifiers():
    keys = ("a b", "a_b", "1", "seed", "class", "action", "_x", "H\u00f6he", "3d/pose (m)")
    spec = EnvironmentSpec.of_arrays({key: tf.TensorSpec([1]) for key in keys}, LOW, HIGH)
    names = {leaf.path[0]: leaf.name for leaf in spec.observation_leaves}
    assert names == {
        "a b": "a_b",
        "a_b": "a_b_",
        "1": "key_1",
        "seed": "seed_",
        "class": "class",
        "action": "key_action",
        "_x": "key__x",
        "H\u00f6he": "H_he",
        "3d/pose (m)": "key_3d_pose__m_",
    }
    assert make_state(spec) is not None
