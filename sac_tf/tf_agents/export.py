"""Exports a policy as a SavedModel of TF-Agents' `PolicySaver`."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import absl.logging
import tensorflow as tf
from tf_agents.policies import policy_saver, tf_policy
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import policy_step, time_step
from tf_agents.typing import types

from sac_tf.leaves import ActionLeaf, Nest, nest_of, pick
from sac_tf.serving import tf_agents_names
from sac_tf.serving.export_policy import Format
from sac_tf.serving.policy_spec import PolicySpec
from sac_tf.serving.signatures import Servable, encode, to_task_structure
from sac_tf.types import EnvironmentSpec

_EXPECTED_WARNINGS = (
    "is not a valid tf.function parameter name",
    "Could not serialize policy.distribution()",
)


class MeanActionPolicy(tf_policy.TFPolicy):
    """A policy that takes the mean action, in the structure and within the bounds of the task.

    It has no `distribution`, because a SavedModel with one can only be loaded with TF-Agents.
    """

    def __init__(self, policy: Servable, spec: EnvironmentSpec):
        """Takes a policy of the library, and the spec of the task."""
        self._observation_paths = tf_agents_names.paths(spec.observation_leaves)
        self._action_paths = tf_agents_names.paths(spec.action_leaves)
        observation = nest_of(
            self._observation_paths,
            [tf.TensorSpec(leaf.shape, leaf.dtype, leaf.name) for leaf in spec.observation_leaves],
        )
        action = nest_of(self._action_paths, [_bounded(leaf) for leaf in spec.action_leaves])
        super().__init__(time_step.time_step_spec(observation), action)
        self._mean_action = policy.mean_action
        self._spec = spec
        # A list, so that the SavedModel holds the variables but not the Keras model.
        self._weights = list(policy.variables)

    def _action(
        self,
        time_step: time_step.TimeStep,
        policy_state: types.NestedTensor,
        seed: types.Seed | None,
    ) -> policy_step.PolicyStep:
        del seed  # nothing is sampled
        leaves = [pick(time_step.observation, path) for path in self._observation_paths]
        action = self._mean_action(encode(leaves, self._spec))
        arrays = to_task_structure(action, self._spec)
        return policy_step.PolicyStep(nest_of(self._action_paths, arrays), policy_state, ())

    def _distribution(
        self, time_step: time_step.TimeStep, policy_state: types.NestedTensor
    ) -> policy_step.PolicyStep:
        raise NotImplementedError(
            "A policy of mean actions has no distribution; the saved_model format has one."
        )


def _bounded(leaf: ActionLeaf) -> Nest:
    low = tf.reshape(tf.constant(leaf.low, leaf.dtype), leaf.shape).numpy()
    high = tf.reshape(tf.constant(leaf.high, leaf.dtype), leaf.shape).numpy()
    return tensor_spec.BoundedTensorSpec(leaf.shape, leaf.dtype, low, high, name=leaf.name)


def _write_tf_agents(policy: Servable, description: PolicySpec, folder: Path) -> None:
    """`Writer` of a SavedModel with `action(time_step, policy_state)`, `get_initial_state`,
    `get_train_step` and TF-Agents' `policy_specs.pbtxt`. TensorFlow alone loads it too."""
    mean_policy = MeanActionPolicy(policy, description.spaces)
    step = tf.Variable(description.step, dtype=tf.int64)
    with _without_expected_warnings():
        policy_saver.PolicySaver(mean_policy, train_step=step).save(str(folder))


@contextlib.contextmanager
def _without_expected_warnings() -> Iterator[None]:
    """Drops what TF-Agents logs about every policy without a `distribution`, and TensorFlow about
    every name of an input that it changes."""

    def is_unexpected(record: logging.LogRecord) -> bool:
        return not any(words in record.getMessage() for words in _EXPECTED_WARNINGS)

    logger = absl.logging.get_absl_logger()
    logger.addFilter(is_unexpected)
    try:
        yield
    finally:
        logger.removeFilter(is_unexpected)


TF_AGENTS = Format("tf_agents", _write_tf_agents)
