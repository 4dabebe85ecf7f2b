"""A trained policy as the SavedModel that TF-Agents users know from `PolicySaver`."""

import re
from pathlib import Path

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


class MeanActionPolicy(tf_policy.TFPolicy):
    """The mean action, within the bounds of the task.

    It has no `distribution`: that is what makes a SavedModel of a TF-Agents SAC policy need
    TF-Agents to be loaded.
    """

    def __init__(self, state: TrainState, spec: EnvironmentSpec):
        """Takes the state that acts and the spec of its task."""
        low, high = spec.action_low, spec.action_high
        action = tensor_spec.BoundedTensorSpec(spec.action.shape, tf.float32, low, high, "action")
        super().__init__(time_step.time_step_spec(spec.observation), action)
        self._policy, self._spec = state.policy, spec
        self._weights = list(
            state.actor.variables
        )  # what a SavedModel holds of it: not the Keras model itself

    def _action(
        self,
        time_step: time_step.TimeStep,
        policy_state: types.NestedTensor,
        seed: types.Seed | None,
    ) -> policy_step.PolicyStep:
        del seed  # nothing is drawn
        action = self._policy(time_step.observation).mean_action()
        return policy_step.PolicyStep(scale_to_task(action, self._spec), policy_state, ())

    def _distribution(
        self, time_step: time_step.TimeStep, policy_state: types.NestedTensor
    ) -> policy_step.PolicyStep:
        raise NotImplementedError(
            "An exported mean action has no distribution; the saved_model format has one."
        )


def _write_tf_agents(
    state: TrainState, spec: EnvironmentSpec, description: PolicySpec, folder: Path
) -> None:
    """Writes a SavedModel with `action(time_step, policy_state)`, `get_initial_state`,
    `get_train_step` and TF-Agents' `policy_specs.pbtxt`, into an empty folder. TensorFlow alone
    loads it too.

    Raises:
      ConfigurationError: an observation has a key that TF-Agents cannot make a name of.
    """
    for key in {key for leaf in description.observation for key in leaf.path}:
        if not re.fullmatch(r"[\w.-]+", key, re.ASCII):
            raise ConfigurationError(
                f"The tf_agents format cannot name the observation {key!r}; rename its key."
            )
    step = tf.Variable(description.step, dtype=tf.int64)
    policy_saver.PolicySaver(MeanActionPolicy(state, spec), train_step=step).save(str(folder))


TF_AGENTS = Format("tf_agents", _write_tf_agents)
