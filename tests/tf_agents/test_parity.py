"""Losses and updates equal those of TF-Agents' own agent, with the same networks, batch and
random actions."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.agents.sac import sac_agent
from tf_agents.specs import tensor_spec
from tf_agents.utils import common

from sac_tf.tf_agents import SacAgent
from tests.tf_agents.making import TIME_STEP, common_steps

BOUNDS = [(-1.0, 1.0), (-2.0, 0.5), ([-3.0, -0.1], [1.0, 0.2])]
SETTINGS = {
    "gamma": 0.9,
    "reward_scale_factor": 0.3,
    "initial_log_alpha": -0.7,
    "target_entropy": -1.3,
    "target_update_tau": 0.01,
}


def pair(networks, bounds, optimizer=None, **settings):
    """Returns the action spec, our agent and theirs, whose networks are equal but not shared."""
    low, high = bounds
    spec = tensor_spec.BoundedTensorSpec([2], tf.float32, minimum=low, maximum=high, name="action")

    def make(constructor):
        return constructor(
            TIME_STEP,
            spec,
            actor_optimizer=optimizer and optimizer(),
            critic_optimizer=optimizer and optimizer(),
            alpha_optimizer=optimizer and optimizer(),
            train_step_counter=tf.Variable(0, dtype=tf.int64),
            **networks(spec),
            **settings,
        )

    return spec, make(SacAgent), make(sac_agent.SacAgent)


def three_losses(agent, steps, weights, loss):
    """Returns the losses of the three public methods. The seed makes every agent sample the same
    actions."""
    time_steps, policy_steps, next_time_steps = steps
    tf.random.set_seed(7)
    critic = agent.critic_loss(
        time_steps,
        policy_steps.action,
        next_time_steps,
        td_errors_loss_fn=loss,
        gamma=SETTINGS["gamma"],
        reward_scale_factor=SETTINGS["reward_scale_factor"],
        weights=weights,
    )
    tf.random.set_seed(7)
    actor = agent.actor_loss(time_steps, weights)
    tf.random.set_seed(7)
    alpha = agent.alpha_loss(time_steps, weights)
    return [float(critic), float(actor), float(alpha)]


@pytest.mark.parametrize("loss", [tf.math.squared_difference, common.element_wise_huber_loss])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("bounds", BOUNDS)
def test_each_loss_equals_theirs(networks, experience, bounds, weighted, loss):
    spec, ours, theirs = pair(networks, bounds, **SETTINGS)
    steps = common_steps(experience(spec))
    weights = tf.linspace(0.0, 2.0, 16) if weighted else None

    expected = three_losses(theirs, steps, weights, loss=loss)
    found = three_losses(ours, steps, weights, loss=loss)

    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert min(map(abs, expected)) > 1e-2  # values near 0 would be equal within the tolerance


@pytest.mark.parametrize("bounds", BOUNDS)
def test_loss_of_experience_equals_theirs(networks, experience, bounds):
    spec, ours, theirs = pair(networks, bounds, use_log_alpha_in_alpha_loss=False, **SETTINGS)
    infos = []
    for agent in (ours, theirs):
        tf.random.set_seed(7)
        infos.append(agent.loss(experience(spec)))

    np.testing.assert_allclose(infos[0].extra, infos[1].extra, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(infos[0].loss, infos[1].loss, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("optimizer", [tf.keras.optimizers.Adam, tf.compat.v1.train.AdamOptimizer])
def test_training_updates_networks_like_theirs(networks, experience, optimizer):
    # The temperature is fixed: their alpha step samples its own actions, ours reuses the actions of
    # the actor step.
    changes = {"gradient_clipping": 0.5, "target_update_period": 2, "alpha_loss_weight": 0.0}
    _, ours, theirs = pair(networks, (-2.0, 0.5), optimizer, **changes, **SETTINGS)
    for agent in (ours, theirs):
        agent.initialize()
        for step in range(4):
            tf.random.set_seed(step)
            agent.train(experience(seed=step), weights=tf.linspace(0.5, 1.5, 16))

    expected = (
        theirs._critic_network_1.variables + theirs._critic_network_2.variables,
        theirs._target_critic_network_1.variables + theirs._target_critic_network_2.variables,
        theirs._actor_network.variables,
    )
    state = ours.state
    for network, variables in zip(
        (state.critics.model, state.critics.target, state.policy.network), expected, strict=True
    ):
        for variable, other in zip(network.variables, variables, strict=True):
            np.testing.assert_allclose(variable.numpy(), other.numpy(), atol=2e-5)
