"""Networks, agents and experience that the tests of this folder share."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.agents.ddpg.critic_network import CriticNetwork
from tf_agents.agents.sac.tanh_normal_projection_network import TanhNormalProjectionNetwork
from tf_agents.networks.actor_distribution_network import ActorDistributionNetwork
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory

from sac_tf.tf_agents import SacAgent

OBSERVATION = tensor_spec.TensorSpec([3], tf.float32, "observation")
TIME_STEP = ts.time_step_spec(OBSERVATION)
NARROW = tensor_spec.BoundedTensorSpec([2], tf.float32, -2.0, 0.5, "action")


def make_networks(action_spec: tensor_spec.BoundedTensorSpec = NARROW, seed: int = 0) -> dict:
    """Returns TF-Agents' actor, two critics and their two targets, five different random
    networks."""
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
        network.create_variables(OBSERVATION if name == "actor_network" else None)
        for variable in network.variables:
            variable.assign(generator.normal(scale=0.5, size=variable.shape))
    return networks


def make_trajectory(
    action_spec: tensor_spec.BoundedTensorSpec = NARROW, rows: int = 16, seed: int = 0
):
    """Returns `rows` pairs of steps [B, 2] in the middle of an episode; every fourth pair ends it
    by termination."""
    generator = np.random.default_rng(seed)
    low, high = (
        np.broadcast_to(bound, action_spec.shape)
        for bound in (action_spec.minimum, action_spec.maximum)
    )
    ends = np.arange(rows) % 4 == 3
    next_step_type = np.stack([np.where(ends, 2, 1), np.where(ends, 0, 1)], 1).astype(np.int32)
    return trajectory.Trajectory(
        step_type=tf.constant(np.stack([np.ones(rows), next_step_type[:, 0]], 1), tf.int32),
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
    """An agent from its two specs alone, repeatable."""
    tf.random.set_seed(0)
    return SacAgent(TIME_STEP, NARROW, train_step_counter=tf.Variable(0, dtype=tf.int64))
