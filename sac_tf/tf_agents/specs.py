"""Converts TF-Agents' specs to the library's conventions: flat float32 actions in [-1, 1]."""

from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts
from tf_agents.utils import common, nest_utils

from sac_tf.environments.spaces import UNBOUNDED
from sac_tf.errors import ConfigurationError
from sac_tf.types import EnvironmentSpec, Nest


def tensor_specs(time_step_spec: ts.TimeStep, action_spec: Nest) -> tuple[ts.TimeStep, Nest]:
    """Returns both as tensor specs.

    Raises:
      ConfigurationError: `time_step_spec` is not a TimeStep, or an action is not float32 with
        finite bounds.
    """
    if not isinstance(time_step_spec, ts.TimeStep):
        raise ConfigurationError(
            f"time_step_spec must be a TimeStep of specs such as environment.time_step_spec(), got "
            f"{time_step_spec!r}."
        )
    for name, spec in (
        ("time_step_spec.observation", time_step_spec.observation),
        ("action_spec", action_spec),
    ):
        leaves = tf.nest.flatten(spec)
        are_specs = all(hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in leaves)
        if not leaves or not are_specs:
            raise ConfigurationError(f"{name} must be a spec or a nest of specs, got {spec!r}.")
    action_spec = tensor_spec.from_spec(action_spec)
    for leaf in tf.nest.flatten(action_spec):
        _check_action(leaf)
    return tensor_spec.from_spec(time_step_spec), action_spec


def environment_spec(observation_spec: Nest, action_spec: Nest) -> EnvironmentSpec:
    """Returns the spec from which the core builds its networks.

    Args:
      observation_spec: nest of specs. Several leaves become a flat dict, keyed by their paths.
      action_spec: nest of bounded specs with A numbers in total.
    """
    inputs = {
        path or "observation": tf.TensorSpec(leaf.shape, tf.float32, path or "observation")
        for path, leaf in nest_utils.flatten_with_joined_paths(observation_spec)
    }
    return EnvironmentSpec.of_arrays(_unwrap_single(inputs), *action_bounds(action_spec))


def vector_spec(observation_spec: Nest, action_spec: Nest) -> EnvironmentSpec:
    """Returns `environment_spec`, for networks without an encoder.

    Raises:
      ConfigurationError: the observation has an image, whose convolutions actor and critics would
        not share.
    """
    for path, leaf in nest_utils.flatten_with_joined_paths(observation_spec):
        if leaf.dtype == tf.uint8 and leaf.shape.rank == 3:
            raise ConfigurationError(
                f"time_step_spec.observation has an image ({path or 'observation'} uint8 "
                f"{leaf.shape.as_list()}), for which SacAgent makes no networks; give it "
                "actor_network and critic_network, or train with gin_configs/drq.gin."
            )
    return environment_spec(observation_spec, action_spec)


def network_inputs(observation: Nest) -> Nest:
    """Returns an observation in the structure of `environment_spec`: a float32 tensor, or a flat
    dict of them."""
    leaves = {
        path or "observation": tf.cast(leaf, tf.float32)
        for path, leaf in nest_utils.flatten_with_joined_paths(observation)
    }
    return _unwrap_single(leaves)


def action_bounds(action_spec: Nest) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lower and the upper bounds of all leaves, each float32 [A]."""
    leaves = tf.nest.flatten(action_spec)
    low = [np.broadcast_to(leaf.minimum, leaf.shape.as_list()).reshape(-1) for leaf in leaves]
    high = [np.broadcast_to(leaf.maximum, leaf.shape.as_list()).reshape(-1) for leaf in leaves]
    return np.concatenate(low).astype(np.float32), np.concatenate(high).astype(np.float32)


def log_volume(action_spec: Nest) -> float:
    """Returns sum log((high - low) / 2): log pi in [-1, 1] minus log pi in units of the bounds."""
    low, high = action_bounds(action_spec)
    return float(np.sum(np.log((high.astype(np.float64) - low) / 2)))


def to_unit(action: Nest, action_spec: Nest) -> tf.Tensor:
    """Returns actions (nest of [B, ...] within the bounds) as [B, A] in [-1, 1]."""
    leaves = []
    for leaf, spec in zip(tf.nest.flatten(action), tf.nest.flatten(action_spec), strict=True):
        mean, magnitude = common.spec_means_and_magnitudes(spec)
        leaves.append(tf.reshape((leaf - mean) / magnitude, [-1, spec.shape.num_elements()]))
    if len(leaves) == 1:
        return leaves[0]
    return tf.concat(leaves, axis=-1)


def _unwrap_single(leaves: dict[str, Any]) -> Nest:
    """Returns `leaves`, or the leaf itself if there is only one."""
    if len(leaves) == 1:
        return next(iter(leaves.values()))
    return leaves


def _check_action(spec: Any) -> None:
    if spec.dtype != tf.float32:
        raise ConfigurationError(f"action_spec must be continuous (float32), got {spec}.")
    if not isinstance(spec, tensor_spec.BoundedTensorSpec):
        raise ConfigurationError(
            f"action_spec must be bounded (a BoundedTensorSpec or BoundedArraySpec), got {spec}."
        )
    is_bounded = (np.abs(spec.minimum) < UNBOUNDED) & (np.abs(spec.maximum) < UNBOUNDED)
    if not np.all(is_bounded & (spec.minimum < spec.maximum)):
        raise ConfigurationError(
            f"action_spec must have finite bounds, minimum below maximum, got {spec}; give the "
            "environment bounds with suite_gymnasium.load(..., gym_env_wrappers=[lambda env: "
            "gymnasium.wrappers.TransformAction(env, lambda action: action, "
            f"gymnasium.spaces.Box(-1, 1, {tuple(spec.shape.as_list())}))])."
        )
