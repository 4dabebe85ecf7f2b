"""Policies with running normalization: every export format includes the statistics."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac.state import SacState
from sac_tf.networks import torsos
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.running_normalization import RunningNormalization, make_observer
from sac_tf.serving import export_policy, loading
from sac_tf.serving.signatures import scale_to_task
from sac_tf.tf_agents.export import TF_AGENTS
from sac_tf.training.acting import mean_actions
from tests.serving.exported import describe, make_spec, observations

SPEC = make_spec(key="force_1")


def _observations(size, seed):
    return tf.nest.map_structure(
        lambda leaf: 30 + 5 * leaf, observations(size, seed, key="force_1")
    )


def _state(**settings):
    settings = {"hidden_units": (32,), "normalization": RunningNormalization, **settings}
    actor = functools.partial(make_actor, **settings)
    critic = functools.partial(make_critic, hidden_units=(8,))
    policy = functools.partial(make_policy, network=actor)
    state = SacState(SPEC, seed=0, discount=0.99, policy=policy, critic=critic)
    # Biases of zero would be left out of the exported graph.
    for variable in state.policy.network.trainable_variables:
        variable.assign(variable + 0.1 * tf.random.stateless_normal(variable.shape, [7, 0]))
    make_observer(state)(_observations(100, seed=2))
    return state


@pytest.fixture(scope="module")
def state():
    return _state()


def _check_export(state, folder, form, tolerance):
    export_policy.export(state.policy, describe("none", SPEC), folder=folder, form=form)
    policy = loading.load(folder)
    for size in (1, 7):
        observation = _observations(size, seed=3)
        expected = scale_to_task(mean_actions(state.policy, SPEC, size)(observation), SPEC)
        np.testing.assert_allclose(policy.act(observation), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("form", "tolerance"),
    [(export_policy.SAVED_MODEL, 0), (export_policy.TFLITE, 1e-5), (TF_AGENTS, 0)],
)
def test_an_exported_policy_acts_like_its_state(state, tmp_path, form, tolerance):
    _check_export(state, tmp_path / "policy", form, tolerance)


@pytest.mark.parametrize(
    "settings",
    [
        {"torso": torsos.residual_torso, "hidden_units": (16, 16)},
        {"torso": torsos.layer_norm_torso, "activation": "tanh"},
    ],
    ids=["SimBa", "SERL"],
)
def test_exports_of_other_networks_act_like_their_states(tmp_path, settings):
    _check_export(_state(**settings), tmp_path / "policy", export_policy.SAVED_MODEL, 0)


def test_the_statistics_change_the_actions(state):
    observation = _observations(7, seed=3)
    plain = make_actor(SPEC, seed=0, hidden_units=(32,))
    plain.set_weights([weight.numpy() for weight in state.policy.network.trainable_variables])
    assert np.abs(state.policy.network([observation])[0] - plain([observation])[0]).max() > 0.1
