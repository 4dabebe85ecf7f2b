"""Policies in the tf_agents format load with TF-Agents, with TensorFlow alone and with us."""

import subprocess
import sys

import absl.logging
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.policies.py_tf_eager_policy import SavedModelPyTFEagerPolicy
from tf_agents.trajectories import time_step

from sac_tf.serving import loading
from sac_tf.serving.signatures import scale_to_task
from sac_tf.tf_agents.export import TF_AGENTS
from tests.serving.exported import HIGH, LOW, make_spec, observations, write

KEY = "force_1"
TENSORFLOW_ALONE = """
import collections, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"sac_tf", "tensorflow_probability", "tf_agents", "reverb"}:
            raise ImportError(f"{name} is not installed here")
sys.meta_path.insert(0, Blocker())
import tensorflow as tf
policy = tf.saved_model.load(sys.argv[1])
TimeStep = collections.namedtuple("TimeStep", "step_type reward discount observation")
hand = {"force_1": tf.ones([2, 3]), "grid": tf.ones([2, 2, 2])}
observation = {"hand": hand, "seed": tf.ones([2, 1])}
step = TimeStep(tf.zeros([2], tf.int32), tf.zeros([2]), tf.ones([2]), observation)
result = policy.action(step, policy.get_initial_state(2))
print(result.state, int(policy.get_train_step()), *result.action.numpy().flatten())
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tf_agents") / "policy"
    return folder, write(folder, TF_AGENTS, key=KEY)


def _mean(state, observation):
    return scale_to_task(state.policy(observation).mean_action(), make_spec()).numpy()


def test_tf_agents_loads_and_calls_the_policy(exported):
    folder, state = exported
    policy = SavedModelPyTFEagerPolicy(str(folder), load_specs_from_pbtxt=True)
    assert policy.get_train_step() == 12
    np.testing.assert_allclose(policy.action_spec.minimum, LOW)
    np.testing.assert_allclose(policy.action_spec.maximum, HIGH)
    one = tf.nest.map_structure(lambda leaf: leaf[0], observations(1, key=KEY))
    step = policy.action(time_step.restart(one), policy.get_initial_state())
    assert step.state == ()
    np.testing.assert_allclose(step.action, _mean(state, observations(1, key=KEY))[0], atol=1e-6)


def test_tensorflow_alone_loads_and_calls_the_policy(exported):
    folder, state = exported
    ones = tf.nest.map_structure(np.ones_like, observations(2, key=KEY))
    command = [sys.executable, "-c", TENSORFLOW_ALONE, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    policy_state, train_step, *action = done.stdout.rsplit(maxsplit=5)
    assert (policy_state, train_step) == ("()", "12")
    np.testing.assert_allclose(np.array(action, float), _mean(state, ones).flatten(), atol=1e-6)


def test_our_loader_gives_the_same_actions(exported):
    folder, state = exported
    policy = loading.load(folder)
    for size in (1, 7):
        observation = observations(size, key=KEY)
        expected = _mean(state, observation)
        np.testing.assert_allclose(policy.act(observation), expected, atol=1e-6)


def test_keys_that_tf_agents_cannot_name_are_renamed(tmp_path):
    state = write(tmp_path / "policy", TF_AGENTS, key="force 1")
    observation = observations(2, key="force 1")
    policy = loading.load(tmp_path / "policy")
    np.testing.assert_allclose(policy.act(observation), _mean(state, observation), atol=1e-6)


def test_an_export_logs_nothing(tmp_path, caplog):
    write(tmp_path / "policy", TF_AGENTS, key=KEY)
    assert caplog.messages == []
    absl.logging.warning("is not a valid tf.function parameter name")
    assert len(caplog.messages) == 1  # only while exporting
