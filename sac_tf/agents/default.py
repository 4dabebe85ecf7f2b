"""The agent of a run that names no other one: Soft Actor-Critic."""

from sac_tf.agents.sac.agent import sac as default_agent

__all__ = ["default_agent"]
