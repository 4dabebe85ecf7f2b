"""Specs, batches and train states of tasks with images, for tests of networks and steps."""

import functools

import numpy as np
import tensorflow as tf

from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac.state import SacState
from sac_tf.leaves import ActionLeaf, ObservationLeaf
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.encoders import encoded_inputs
from sac_tf.types import EnvironmentSpec, Transition

ACTION = (ActionLeaf("action", (), (2,), "float32", (-1.0,) * 2, (1.0,) * 2),)
B = 5


def spec_of(*shapes, vector=0):
    """Returns the spec of images, "camera0" and so on, and of a vector."""
    leaves = [
        ObservationLeaf(f"camera{i}", (f"camera{i}",), shape, "uint8")
        for i, shape in enumerate(shapes)
    ]
    if vector:
        leaves.append(ObservationLeaf("position", ("position",), (vector,), "float32"))
    return EnvironmentSpec(tuple(leaves), ACTION)


def spec_with(name, shape, dtype):
    """Returns the spec of an image and of another array."""
    leaf = ObservationLeaf(name, (name,), shape, dtype)
    return EnvironmentSpec((*spec_of((32, 32, 3)).observation_leaves, leaf), ACTION)


def observation_of(spec, seed=0):
    """Returns random observations of a spec, [B, ...]."""
    generator = np.random.default_rng(seed)
    return {
        leaf.name: tf.constant(generator.integers(0, 256, (B, *leaf.shape)).astype(leaf.dtype))
        for leaf in spec.observation_leaves
    }


def batch_of(spec):
    """Returns random transitions of a spec."""
    noise = tf.random.stateless_uniform([B, 2], [0, 1], -1, 1)
    rows = noise[:, 0], tf.ones([B])
    return Transition(observation_of(spec), noise, *rows, observation_of(spec, seed=1))


def state_of(spec, normalization=None, settings=None, **inputs):
    """Returns a small train state; `inputs` are those of its `encoded_inputs`, and `settings` those
    of `SacState`."""
    small = {
        "hidden_units": (8,),
        "inputs": functools.partial(encoded_inputs, **inputs),
        "normalization": normalization,
    }
    return SacState(
        spec,
        seed=0,
        discount=0.9,
        policy=functools.partial(make_policy, network=functools.partial(make_actor, **small)),
        critic=functools.partial(make_critic, **small),
        **(settings or {}),
    )
