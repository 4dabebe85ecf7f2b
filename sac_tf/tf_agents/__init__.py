"""TF-Agents integration: an agent, and Gymnasium environments.

Only this package imports `tf_agents`.
"""

from sac_tf.tf_agents import suite_gymnasium
from sac_tf.tf_agents.agent import SacAgent

__all__ = ["SacAgent", "suite_gymnasium"]
