"""The agent of Soft Actor-Critic: its policy, its train state and its steps."""

import functools
from typing import Protocol

import gin

from sac_tf.agents.agent import Agent, Steps
from sac_tf.agents.policy import MakePolicy, make_policy
from sac_tf.agents.sac.state import SacState
from sac_tf.agents.sac.steps import AlphaStep, alpha_step, sac_steps
from sac_tf.agents.trainable import Trainable
from sac_tf.types import EnvironmentSpec


class MakeSacState(Protocol):
    """Builds a train state as `SacState` does."""

    def __call__(
        self, spec: EnvironmentSpec, seed: int, discount: float, policy: MakePolicy
    ) -> SacState: ...


@gin.configurable
def sac(
    policy: MakePolicy = make_policy,
    state: MakeSacState = SacState,
    steps: Steps = sac_steps,
    alpha_step: AlphaStep | None = alpha_step,
) -> Agent:
    """Returns Soft Actor-Critic (1801.01290, 1812.05905), or a variant of it.

    Args:
      policy: builds the policy.
      state: builds the train state with that policy.
      steps: the steps of an update and their order.
      alpha_step: the step of the temperature; None keeps it at `Temperature.initial_alpha`, and the
        state then has no optimizer for it.
    """

    def make_state(spec: EnvironmentSpec, seed: int, discount: float) -> SacState:
        made = state(spec, seed, discount, policy)
        if alpha_step is None:
            made.temperature = Trainable(made.temperature.model, optimizer=None)
        return made

    return Agent(policy, make_state, functools.partial(steps, alpha_step=alpha_step))
