"""Exports a policy as a SavedModel of TF-Agents' `PolicySaver`."""

import contextlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import absl.logging
import tensorflow as tf
from tf_agents.policies import policy_saver, tf_policy
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import policy_step, time_step
from tf_agents.typing import types

from sac_tf.agents.sac.state import TrainState
from sac_tf.errors import ConfigurationError
from sac_tf.serving.export_policy import Format
from sac_tf.serving.policy_spec import PolicySpec
from sac_tf.serving.signatures import scale_to_task
from sac_tf.types import EnvironmentSpec

_EXPECTED_WARNINGS = (
    "is not a valid tf.function parameter name",
    "Could not serialize policy.distribution()",
)


class MeanActionPolicy(tf_policy.TFPolicy):
    """A policy that takes the mean action, within the bounds of the task.

    It has no `distribution`, because a SavedModel with one can only be loaded with TF-Agents.
    """

    def __init__(self, state: TrainState, spec: EnvironmentSpec):
        """Takes the state that holds the policy, and the spec of the task."""
        action = tensor_spec.BoundedTensorSpec(
            spec.action.shape,
            tf.float32,
            minimum=spec.action_low,
            maximum=spec.action_high,
            name="action",
        )
        super().__init__(time_step.time_step_spec(spec.observation), action)
        self._policy = state.policy
        self._spec = spec
        # A list, so that the SavedModel holds the variables but not the Keras model.
        self._weights = list(state.actor.variables)

    def _action(
        self,
        time_step: time_step.TimeStep,
        policy_state: types.NestedTensor,
        seed: types.Seed | None,
    ) -> policy_step.PolicyStep:
        del seed  # nothing is sampled
        action = self._policy(time_step.observation).mean_action()
        return policy_step.PolicyStep(scale_to_task(action, self._spec), policy_state, ())

    def _distribution(
        self, time_step: time_step.TimeStep, policy_state: types.NestedTensor
    ) -> policy_step.PolicyStep:
        raise NotImplementedError(
            "A policy of mean actions has no distribution; the saved_model format has one."
        )


def _write_tf_agents(
    state: TrainState, spec: EnvironmentSpec, description: PolicySpec, folder: Path
) -> None:
    """`Writer` of a SavedModel with `action(time_step, policy_state)`, `get_initial_state`,
    `get_train_step` and TF-Agents' `policy_specs.pbtxt`. TensorFlow alone loads it too.

    Raises:
      ConfigurationError: TF-Agents cannot make an input name from a key of the observation.
    """
    for key in {key for leaf in description.observation for key in leaf.path}:
        if not re.fullmatch(r"[\w.-]+", key, re.ASCII):
            raise ConfigurationError(
                f"The tf_agents format cannot name the observation {key!r}; rename its key."
            )
    policy = MeanActionPolicy(state, spec)
    step = tf.Variable(description.step, dtype=tf.int64)
    with _without_expected_warnings():
        policy_saver.PolicySaver(policy, train_step=step).save(str(folder))


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
