"""Images in TF-Agents: networks of the user learn from them, and the agent makes none for them."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.agents.ddpg.critic_network import CriticNetwork
from tf_agents.networks.actor_distribution_network import ActorDistributionNetwork
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory

from sac_tf.errors import ConfigurationError
from tests.tf_agents.making import ACTION, make

IMAGE = tensor_spec.BoundedTensorSpec([8, 8, 3], tf.uint8, 0, 255, "observation")
TIME_STEP = ts.time_step_spec(IMAGE)
CONVOLUTIONS = [(4, 3, 2)]


def _networks():
    scaled = tf.keras.layers.Rescaling(1 / 255)
    return {
        "actor_network": ActorDistributionNetwork(
            IMAGE, ACTION, preprocessing_layers=scaled, conv_layer_params=CONVOLUTIONS
        ),
        "critic_network": CriticNetwork(
            (IMAGE, ACTION), observation_conv_layer_params=CONVOLUTIONS, joint_fc_layer_params=(8,)
        ),
    }


def _experience():
    generator = np.random.default_rng(0)
    ones = tf.ones([6, 2])
    return trajectory.Trajectory(
        step_type=tf.ones([6, 2], tf.int32),
        observation=tf.constant(generator.integers(0, 256, (6, 2, 8, 8, 3)), tf.uint8),
        action=tf.constant(generator.uniform(-2, 0.5, (6, 2, 2)), tf.float32),
        policy_info=(),
        next_step_type=tf.ones([6, 2], tf.int32),
        reward=ones,
        discount=ones,
    )


def test_networks_of_the_user_learn_from_images():
    networks = _networks()
    agent = make(time_step_spec=TIME_STEP, **networks)
    agent.initialize()
    kernels = [
        variable
        for network in networks.values()
        for variable in network.trainable_variables
        if variable.shape.rank == 4
    ]
    before = [kernel.numpy() for kernel in kernels]
    assert len(before) == 2
    assert np.isfinite(agent.train(_experience()).loss)
    for old, new in zip(before, kernels, strict=True):
        assert np.abs(old - new).max() > 0


@pytest.mark.parametrize("given", [[], ["actor_network"]])
def test_the_agent_makes_no_networks_for_images(given):
    networks = {name: network for name, network in _networks().items() if name in given}
    words = r"has an image \(observation uint8 \[8, 8, 3\]\), for which SacAgent makes no networks"
    with pytest.raises(ConfigurationError, match=words):
        make(time_step_spec=TIME_STEP, **networks)
