"""Networks, agents and experience that the tests of this folder share."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.agents.ddpg.critic_network import CriticNetwork
from tf_agents.agents.sac.tanh_normal_projection_network import TanhNormalProjectionNetwork
from tf_agents.networks.actor_distribution_network import ActorDistributionNetwork
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import trajectory

from sac_tf.tf_agents import SacAgent
from tests.tf_agents.making import ACTION, OBSERVATION, make


def make_networks(action_spec: tensor_spec.BoundedTensorSpec = ACTION, seed: int = 0) -> dict:
    """Returns five different random TF-Agents networks: an actor, two critics, two targets."""
    names = (
        "critic_network",
        "critic_network_2",
        "target_critic_network",
        "target_critic_network_2",
    )
    networks = {
        name: CriticNetwork((OBSERVATION, action_spec), joint_fc_layer_params=(16,), name=name)
        for name in names
    }
    networks["actor_network"] = ActorDistributionNetwork(
        OBSERVATION,
        action_spec,
        fc_layer_params=(16,),
        continuous_projection_net=TanhNormalProjectionNetwork,
    )
    generator = np.random.default_rng(seed)
    for name, network in networks.items():
        input_spec = OBSERVATION if name == "actor_network" else None
        network.create_variables(input_spec)
        for variable in network.variables:
            variable.assign(generator.normal(scale=0.5, size=variable.shape))
    return networks


def make_trajectory(
    action_spec: tensor_spec.BoundedTensorSpec = ACTION, rows: int = 16, seed: int = 0
) -> trajectory.Trajectory:
    """Returns `rows` pairs of steps [B, 2] within an episode; every fourth pair ends the episode by
    termination."""
    generator = np.random.default_rng(seed)
    low = np.broadcast_to(action_spec.minimum, action_spec.shape)
    high = np.broadcast_to(action_spec.maximum, action_spec.shape)
    ends = np.arange(rows) % 4 == 3
    next_step_type = np.stack([np.where(ends, 2, 1), np.where(ends, 0, 1)], 1).astype(np.int32)
    step_type = np.stack([np.ones(rows), next_step_type[:, 0]], 1)
    return trajectory.Trajectory(
        step_type=tf.constant(step_type, tf.int32),
        observation=tf.constant(generator.normal(size=(rows, 2, 3)), tf.float32),
        action=tf.constant(generator.uniform(low, high, (rows, 2, *action_spec.shape)), tf.float32),
        policy_info=(),
        next_step_type=tf.constant(next_step_type),
        reward=tf.constant(generator.normal(size=(rows, 2)), tf.float32),
        discount=tf.constant(np.stack([1 - ends, np.ones(rows)], 1), tf.float32),
    )


@pytest.fixture
def networks() -> Callable[..., dict]:
    return make_networks


@pytest.fixture
def experience() -> Callable[..., trajectory.Trajectory]:
    return make_trajectory


@pytest.fixture
def agent() -> SacAgent:
    """An agent with default arguments."""
    return make()
