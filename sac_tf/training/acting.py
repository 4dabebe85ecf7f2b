"""Three ways to act: uniformly, as the policy samples, and as its mean."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from sac_tf.agents.sac.state import TrainState
from sac_tf.pinned.kernels import bind_call
from sac_tf.seeds import draw_seed
from sac_tf.types import Act, EnvironmentSpec, Nest


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
    """Compiles for one batch size, so that no shape is looked up when acting."""
    signature = tf.nest.map_structure(
        lambda leaf: tf.TensorSpec([num_environments, *leaf.shape], leaf.dtype, leaf.name),
        spec.observation,
    )
    call = bind_call(function, signature)

    def act(observation: Nest) -> np.ndarray:
        return call([tf.constant(leaf) for leaf in tf.nest.flatten(observation)]).numpy()

    return act
