"""Signatures of an exported policy: functions of plain TensorFlow operations and constants."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from sac_tf.leaves import SEED, Nest, ObservationLeaf, nest_of
from sac_tf.pinned.frozen_graph import freeze
from sac_tf.types import EnvironmentSpec


class Servable(Protocol):
    """What exports need of a policy, for observations that are a nest of [B, ...]."""

    @property
    def variables(self) -> Sequence[tf.Variable]: ...

    def mean_action(self, observation: Nest) -> tf.Tensor:
        """Returns the deterministic actions [B, A] in [-1, 1]."""

    def sample(
        self, observation: Nest, seed: tf.Tensor
    ) -> tuple[tf.Tensor, Mapping[str, tf.Tensor]]:
        """Returns actions [B, A] drawn with a stateless seed, int32 [2], and anything else."""

    def served_parameters(self, observation: Nest) -> Mapping[str, tf.Tensor]:
        """Returns the parameters of the distribution over actions, [B, ...] by name; {} for a
        deterministic policy."""


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
    least, largest = _bounds_within(spec)
    is_low_exact = np.array_equal(center - half_range, least)
    is_high_exact = np.array_equal(center + half_range, largest)
    if is_low_exact and is_high_exact:
        return action
    return tf.clip_by_value(action, least, largest)


def _bounds_within(spec: EnvironmentSpec) -> tuple[np.ndarray, np.ndarray]:
    """Returns the least and the largest float32 actions [A] within the bounds of the task, which
    may be float64: the nearest float32 may be outside of them."""
    low = np.array([x for leaf in spec.action_leaves for x in leaf.low])
    high = np.array([x for leaf in spec.action_leaves for x in leaf.high])
    least = low.astype(np.float32)
    largest = high.astype(np.float32)
    return (
        np.where(least < low, np.nextafter(least, np.float32(np.inf)), least),
        np.where(largest > high, np.nextafter(largest, np.float32(-np.inf)), largest),
    )


def encode(leaves: Sequence[tf.Tensor], spec: EnvironmentSpec) -> Nest:
    """Returns the observation that the networks take, nest of float32 [B, ...], from the arrays of
    the task's observation in the order of `spec.observation_leaves`."""
    encoded = [
        _encode_leaf(array, leaf)
        for array, leaf in zip(leaves, spec.observation_leaves, strict=True)
    ]
    return nest_of([leaf.path for leaf in spec.observation_leaves], encoded)


def _encode_leaf(array: tf.Tensor, leaf: ObservationLeaf) -> tf.Tensor:
    if not leaf.categories:
        return tf.cast(array, leaf.encoded_dtype)
    columns = tf.reshape(tf.cast(array, tf.int32), [-1, len(leaf.categories)]) - leaf.start
    one_hot = [tf.one_hot(columns[:, i], size) for i, size in enumerate(leaf.categories)]
    return tf.concat(one_hot, axis=-1)


def to_task_structure(action: tf.Tensor, spec: EnvironmentSpec) -> list[tf.Tensor]:
    """Returns the arrays of the task's action, [B, ...] within its bounds, in the order of
    `spec.action_leaves`, from actions [B, A] in [-1, 1]."""
    action = scale_to_task(action, spec)
    pieces = [action]
    if len(spec.action_leaves) > 1:
        pieces = tf.split(action, [len(leaf.low) for leaf in spec.action_leaves], axis=-1)
    arrays = []
    for piece, leaf in zip(pieces, spec.action_leaves, strict=True):
        if leaf.shape != (len(leaf.low),):
            piece = tf.reshape(piece, [-1, *leaf.shape])
        arrays.append(tf.cast(piece, leaf.dtype))
    return arrays


def make_signatures(
    policy: Servable, spec: EnvironmentSpec
) -> dict[str, tf.types.experimental.GenericFunction]:
    """Returns the signatures of an exported policy, for any batch size B.

    All take the observation as one named input per array of the task's observation, [B, ...]:
      serving_default: -> one output per array of the task's action, [B, ...] within its bounds: the
        mean action.
      sample: also takes seed, int64 scalar -> a sampled action, in the same outputs; the same seed
        gives the same actions.
      distribution: -> the parameters of the distribution before scaling: loc, scale [B, A] of the
        Gaussian before squashing, for example.
    A deterministic policy has `serving_default` only.
    """
    observation = [
        tf.TensorSpec([None, *leaf.shape], leaf.dtype, leaf.name)
        for leaf in spec.observation_leaves
    ]
    seed = tf.TensorSpec([], tf.int64, SEED)

    def outputs(action: tf.Tensor) -> dict[str, tf.Tensor]:
        arrays = to_task_structure(action, spec)
        return {leaf.name: x for leaf, x in zip(spec.action_leaves, arrays, strict=True)}

    def mean(*leaves: tf.Tensor) -> dict[str, tf.Tensor]:
        return outputs(policy.mean_action(encode(leaves, spec)))

    def sample(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        *leaves, seed = inputs
        action, _ = policy.sample(encode(leaves, spec), tf.bitcast(seed, tf.int32))
        return outputs(action)

    def distribution(*leaves: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(policy.served_parameters(encode(leaves, spec)))

    signatures = {"serving_default": freeze(mean, observation)}
    if _is_stochastic(policy, spec):
        signatures["sample"] = freeze(sample, [*observation, seed])
        signatures["distribution"] = freeze(distribution, observation)
    return signatures


def _is_stochastic(policy: Servable, spec: EnvironmentSpec) -> bool:
    """Returns whether there is a distribution over actions."""
    zeros = tf.nest.map_structure(
        lambda leaf: tf.zeros([1, *leaf.shape], leaf.dtype), spec.observation
    )
    return bool(policy.served_parameters(zeros))
