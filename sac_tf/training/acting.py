"""Three ways to act: uniformly, as the policy samples, and as its mean."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from sac_tf.agents.sac.state import TrainState, draw_seed
from sac_tf.types import EnvironmentSpec, Nest

Act = Callable[[Nest], np.ndarray]
"""Observations (nest of [E, ...]) -> actions [E, A] in [-1, 1]."""


def uniform_actions(spec: EnvironmentSpec, num_environments: int, seed: int) -> Act:
    """Returns an `Act` that ignores what it sees: exploration before learning starts."""
    generator = np.random.default_rng(seed)
    shape = (num_environments, spec.action_dimensions)
    return lambda _: generator.uniform(-1, 1, shape).astype(np.float32)


def exploring_actions(state: TrainState, spec: EnvironmentSpec, num_environments: int) -> Act:
    """Returns an `Act` that draws from the policy with the state's exploration generator."""
    generator = state.exploration_generator
    return _compile(
        lambda o: state.policy(o).sample(seed=draw_seed(generator)), spec, num_environments
    )


def mean_actions(state: TrainState, spec: EnvironmentSpec, num_environments: int) -> Act:
    """Returns an `Act` that takes tanh(loc)."""
    return _compile(lambda o: state.policy(o).mean_action(), spec, num_environments)


def _compile(
    function: Callable[[Nest], tf.Tensor], spec: EnvironmentSpec, num_environments: int
) -> Act:
    """Compiles for one batch size and binds to it: no shape is looked up when acting.

    A concrete function that is called as an operation takes a third of the time of the same
    function called in Python, which binds arguments anew each time.
    """
    batched = tf.nest.map_structure(
        lambda leaf: tf.TensorSpec([num_environments, *leaf.shape], leaf.dtype, leaf.name),
        spec.observation,
    )
    concrete = tf.function(function, autograph=False).get_concrete_function(batched)

    def act(observation: Nest) -> np.ndarray:
        arguments = [tf.constant(leaf) for leaf in tf.nest.flatten(observation)]
        arguments += concrete.captured_inputs
        return tf.raw_ops.StatefulPartitionedCall(args=arguments, Tout=[tf.float32], f=concrete)[
            0
        ].numpy()

    return act
