"""What exports need of a policy: a Protocol, without TensorFlow Probability and without agents."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.serving import export_policy, loading
from sac_tf.serving.signatures import scale_to_task
from sac_tf.tf_agents.export import TF_AGENTS
from tests.serving.exported import describe, make_spec, observations

PROGRAM = """
import importlib, pkgutil, sys
import sac_tf.serving
for module in pkgutil.iter_modules(sac_tf.serving.__path__):
    importlib.import_module(f"sac_tf.serving.{module.name}")
heavy = ("tensorflow_probability", "tf_agents", "reverb", "gin", "sac_tf.agents", "sac_tf.networks")
print([name for name in heavy if name in sys.modules])
"""


def test_serving_imports_neither_agents_nor_probability():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


class _Pushing(tf.Module):
    """A deterministic policy of the task of `make_spec`."""

    def __init__(self):
        super().__init__()
        self.gain = tf.Variable(0.3)

    def mean_action(self, observation):
        return tf.tanh(self.gain * observation["hand"]["force 1"][:, :2])

    def sample(self, observation, seed):
        del seed
        return self.mean_action(observation), {}

    def served_parameters(self, observation):
        del observation
        return {}


@pytest.mark.parametrize(
    "form",
    [export_policy.SAVED_MODEL, export_policy.TFLITE, TF_AGENTS],
    ids=lambda form: form.name,
)
def test_a_deterministic_policy_is_exported(tmp_path, form):
    policy = _Pushing()
    spec = make_spec()
    export_policy.export(policy, describe("none", spec), tmp_path / "policy", form)
    observation = observations(4)
    expected = scale_to_task(np.tanh(0.3 * observation["hand"]["force 1"][:, :2]), spec)
    found = loading.load(tmp_path / "policy").act(observation)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    if form is export_policy.SAVED_MODEL:
        model = tf.saved_model.load(str(tmp_path / "policy"))
        assert set(model.signatures) == {"serving_default"}
