"""CQL's gap equals that of TF-Agents' agent, where the two agree on the density of uniform
actions."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.agents.cql.cql_sac_agent import CqlSacAgent
from tf_agents.specs import tensor_spec

from sac_tf.agents.cql.losses import conservative_gap
from tests.tf_agents.making import TIME_STEP, common_steps

SAMPLES = 4


class _Recording(CqlSacAgent):
    """Keeps the Q values [2, B * n] of each call, and log pi [B, n] of the policy's actions."""

    def _get_q_values(self, target_input, step_type, reshape_batch_size, training=False):
        found = super()._get_q_values(target_input, step_type, reshape_batch_size, training)
        self.q_values = [*getattr(self, "q_values", []), tf.stack(found)[..., 0]]
        return found

    def _sample_and_transpose_actions_and_log_probs(self, *arguments, **keywords):
        found = super()._sample_and_transpose_actions_and_log_probs(*arguments, **keywords)
        self.log_pi = found[1]
        return found


def _theirs(networks, experience, low, high):
    """Returns their loss of a batch, and the agent with what it computed."""
    spec = tensor_spec.BoundedTensorSpec([2], tf.float32, minimum=low, maximum=high, name="action")
    adam = tf.keras.optimizers.Adam
    agent = _Recording(
        TIME_STEP, spec, actor_optimizer=adam(), critic_optimizer=adam(), alpha_optimizer=adam(),
        cql_alpha=1.0, num_cql_samples=SAMPLES, include_critic_entropy_term=False,
        use_lagrange_cql_alpha=False, train_step_counter=tf.Variable(0, dtype=tf.int64),
        **networks(spec),
    )  # fmt: skip
    time_steps, policy_steps, _ = common_steps(experience(spec))
    return float(agent._cql_loss(time_steps, policy_steps.action)), agent


def _ours(agent, log_uniform):
    """Returns the mean gap with their Q values, for a log density of uniform actions."""
    policy, uniform, data = agent.q_values
    q = tf.transpose(tf.concat([policy, uniform], axis=2), [0, 2, 1])
    log_density = tf.concat(
        [agent.log_pi, tf.fill(agent.log_pi.shape, np.float32(log_uniform))], axis=1
    )
    return float(tf.reduce_mean(conservative_gap(q, tf.transpose(log_density), data)))


def test_gap_equals_theirs(networks, experience):
    """One pair of bounds for both actions: the uniform density is 1 / 2.5^2."""
    expected, agent = _theirs(networks, experience, -2.0, 0.5)
    assert _ours(agent, -2 * np.log(2.5)) == pytest.approx(expected, rel=1e-5)


def test_their_density_of_unequal_bounds_counts_each_twice(networks, experience):
    """The uniform density over [-3, 1] x [-0.1, 0.2] is 1 / (4 * 0.3); they use its square."""
    expected, agent = _theirs(networks, experience, [-3.0, -0.1], [1.0, 0.2])
    log_density = -np.log(4 * 0.3)
    assert _ours(agent, 2 * log_density) == pytest.approx(expected, rel=1e-5)
    assert _ours(agent, log_density) != pytest.approx(expected, rel=1e-2)
