"""Exported policies for tests: a nested observation, asymmetric bounds and large actions."""

import functools
from pathlib import Path

import numpy as np
import tensorflow as tf

from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac.state import SacState
from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.serving import export_policy
from sac_tf.serving.policy_spec import PolicySpec
from sac_tf.types import EnvironmentSpec

LOW = np.float32([-2.0, -0.4])
HIGH = np.float32([0.5, 0.7])


def make_state(spec: EnvironmentSpec, seed: int = 0) -> SacState:
    state = SacState(
        spec,
        seed,
        discount=0.99,
        policy=functools.partial(
            make_policy, network=functools.partial(make_actor, hidden_units=(32,))
        ),
        critic=functools.partial(make_critic, hidden_units=(8,)),
    )
    for variable in state.policy.network.trainable_variables:
        variable.assign(variable + tf.random.stateless_normal(variable.shape, [7, seed]))
    return state


def make_spec(
    low: np.ndarray = LOW, high: np.ndarray = HIGH, key: str = "force 1"
) -> EnvironmentSpec:
    observation = {
        "hand": {
            key: tf.TensorSpec([3], tf.float32, name="force"),
            "grid": tf.TensorSpec([2, 2], tf.float32),
        },
        "seed": tf.TensorSpec([1], tf.float32, name="seed"),
    }
    return EnvironmentSpec.of_arrays(observation, low, high)


def observations(size: int, seed: int = 1, key: str = "force 1") -> dict:
    """Observations [size, ...] of `make_spec`."""
    generator = np.random.default_rng(seed)
    force = generator.normal(size=[size, 3])
    grid = generator.normal(size=[size, 2, 2])
    seed_observation = generator.normal(size=[size, 1])
    observation = {"hand": {key: force, "grid": grid}, "seed": seed_observation}
    return tf.nest.map_structure(np.float32, observation)


def describe(task: str, spec: EnvironmentSpec) -> PolicySpec:
    """Describes a policy after 12 steps with a mean return of -3.5."""
    return PolicySpec(EnvironmentFactory(task).as_json(), spec, step=12, episode_return=-3.5)


def write(
    folder: Path,
    form: export_policy.Format = export_policy.SAVED_MODEL,
    seed: int = 0,
    key: str = "force 1",
) -> SacState:
    """Exports a policy to `folder` and returns its state."""
    spec = make_spec(key=key)
    state = make_state(spec, seed)
    export_policy.export(state.policy, describe("none", spec), folder=folder, form=form)
    return state
