"""Acting functions: uniformly random actions, and the policy's mean."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from sac_tf.agents.policy import Policy
from sac_tf.pinned.kernels import bind_call
from sac_tf.types import Act, EnvironmentSpec, Nest


def uniform_actions(spec: EnvironmentSpec, num_environments: int, seed: int) -> Act:
    """Returns an `Act` that draws uniformly in [-1, 1] and ignores the observation: exploration
    before learning starts."""
    generator = np.random.default_rng(seed)
    shape = (num_environments, spec.action_dimensions)
    return lambda _: generator.uniform(-1, 1, shape).astype(np.float32)


def mean_actions(policy: Policy, spec: EnvironmentSpec, num_environments: int) -> Act:
    """Returns an `Act` that takes the policy's mean action."""
    return compile_act(policy.mean_action, spec, num_environments)


def compile_act(
    function: Callable[[Nest], tf.Tensor], spec: EnvironmentSpec, num_environments: int
) -> Act:
    """Compiles `function`, observations -> actions, for one batch size, so that acting does not
    look up shapes."""
    signature = tf.nest.map_structure(
        lambda leaf: tf.TensorSpec([num_environments, *leaf.shape], leaf.dtype, leaf.name),
        spec.observation,
    )
    call = bind_call(function, signature)

    def act(observation: Nest) -> np.ndarray:
        leaves = [tf.constant(leaf) for leaf in tf.nest.flatten(observation)]
        return call(leaves).numpy()

    return act
