"""Agents for tests: three observations, two actions within asymmetric bounds."""

import pytest
import tensorflow as tf
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory

from sac_tf.tf_agents import SacAgent

OBSERVATION = tensor_spec.TensorSpec([3], tf.float32, "observation")
TIME_STEP = ts.time_step_spec(OBSERVATION)
ACTION = tensor_spec.BoundedTensorSpec([2], tf.float32, minimum=-2.0, maximum=0.5, name="action")


def make(**changes) -> SacAgent:
    """Returns an agent with the same weights at each call; `changes` are arguments of SacAgent."""
    tf.random.set_seed(0)
    arguments = {
        "time_step_spec": TIME_STEP,
        "action_spec": ACTION,
        "train_step_counter": tf.Variable(0, dtype=tf.int64),
    }
    return SacAgent(**arguments | changes)


def message_of(error: pytest.ExceptionInfo) -> str:
    """Returns the message of an error without the lines that gin appends about the call."""
    return str(error.value).partition("\n  In call to configurable")[0]


def common_steps(experience):
    """Returns time steps, policy steps and next time steps [B, ...] of trajectories [B, 2]."""
    return tf.nest.map_structure(
        lambda leaf: tf.squeeze(leaf, 1), trajectory.to_transition(experience)
    )
