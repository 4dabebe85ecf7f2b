"""The library as a citizen of TF-Agents: an agent, and Gymnasium environments. The only package
that imports it."""

from sac_tf.tf_agents import suite_gymnasium
from sac_tf.tf_agents.agent import SacAgent

__all__ = ["SacAgent", "suite_gymnasium"]
