"""Signatures of an exported policy: functions of plain TensorFlow operations and constants."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from sac_tf.agents.sac.state import TrainState
from sac_tf.pinned.frozen_graph import freeze
from sac_tf.serving.policy_spec import SEED, PolicySpec
from sac_tf.types import EnvironmentSpec, Nest


def scale_to_task(action: tf.Tensor, spec: EnvironmentSpec) -> tf.Tensor:
    """Returns actions [B, A] in [-1, 1] as actions within the bounds of the task, computed as in
    the environment adapter.

    Operations without effect are left out: each takes a few percent of the time of a call with one
    observation.
    """
    low = spec.action_low
    high = spec.action_high
    center = (high + low) / 2
    half_range = (high - low) / 2
    if np.any(half_range != 1):
        action = half_range * action
    if np.any(center != 0):
        action = center + action
    # Rounding can put the end of an uneven range outside the bounds.
    is_low_exact = np.array_equal(center - half_range, low)
    is_high_exact = np.array_equal(center + half_range, high)
    if is_low_exact and is_high_exact:
        return action
    return tf.clip_by_value(action, low, high)


def make_signatures(
    state: TrainState, spec: EnvironmentSpec, description: PolicySpec
) -> dict[str, tf.types.experimental.GenericFunction]:
    """Returns the signatures of an exported policy, for any batch size B.

    All take the observation as one named input per array, [B, ...]:
      serving_default: -> action [B, A], the mean action, within the bounds of the task.
      sample: also takes seed, int64 scalar -> action [B, A], sampled; the same seed gives the same
        actions.
      distribution: -> loc, scale [B, A] of the Gaussian before squashing and scaling.
    """
    observation = [
        tf.TensorSpec([None, *leaf.shape], leaf.dtype, leaf.name)
        for leaf in description.observation
    ]
    seed = tf.TensorSpec([], tf.int64, SEED)

    def nest(leaves: Sequence[tf.Tensor]) -> Nest:
        return tf.nest.pack_sequence_as(spec.observation, leaves)

    def mean(*leaves: tf.Tensor) -> dict[str, tf.Tensor]:
        action = state.policy(nest(leaves)).mean_action()
        return {"action": scale_to_task(action, spec)}

    def sample(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        *leaves, seed = inputs
        action = state.policy(nest(leaves)).sample(seed=tf.bitcast(seed, tf.int32))
        return {"action": scale_to_task(action, spec)}

    def distribution(*leaves: tf.Tensor) -> dict[str, tf.Tensor]:
        gaussian = state.policy(nest(leaves)).parameters
        return {"loc": gaussian["loc"], "scale": tf.exp(gaussian["log_std"])}

    return {
        "serving_default": freeze(mean, observation),
        "sample": freeze(sample, [*observation, seed]),
        "distribution": freeze(distribution, observation),
    }
