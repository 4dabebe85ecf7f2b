"""The agent of TD3 and DDPG: their policy, their train state and their steps."""

import functools
from collections.abc import Callable

import gin

from sac_tf.agents.agent import Agent, Steps
from sac_tf.agents.policy import MakePolicy, make_policy
from sac_tf.agents.td3.state import Td3State
from sac_tf.agents.td3.steps import td3_steps


@gin.configurable
def td3(
    policy: MakePolicy = make_policy,
    state: Callable[..., Td3State] = Td3State,
    steps: Steps = td3_steps,
) -> Agent:
    """Returns TD3 (1802.09477), or a variant of it.

    Args:
      policy: builds the policy; learning and acting use its mean action.
      state: builds the train state with that policy.
      steps: the steps of an update and their order.
    """
    return Agent(policy, functools.partial(state, policy=policy), steps)
