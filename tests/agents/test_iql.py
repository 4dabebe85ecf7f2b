"""Implicit Q-learning: its losses by hand, and one update against NumPy."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.iql import IqlState, expectile_loss, iql_steps, weighted_cloning_loss
from sac_tf.agents.policy import make_policy
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.distributions import clipped_gaussian
from sac_tf.networks.heads import state_independent_std
from sac_tf.networks.value import make_value
from sac_tf.types import Transition
from tests.agents.mlp import mlp, q_values

ROWS = 6


def _state(spec) -> IqlState:
    network = functools.partial(make_actor, hidden_units=(8,), heads=state_independent_std)
    return IqlState(
        spec,
        3,
        0.9,
        policy=functools.partial(make_policy, network=network, distribution=clipped_gaussian),
        critic=functools.partial(make_critic, hidden_units=(8,)),
        value=functools.partial(make_value, hidden_units=(8,)),
    )


def _batch(seed=5) -> Transition:
    rng = np.random.default_rng(seed)
    observation, action, successor = (rng.normal(size=(ROWS, size)) for size in (3, 2, 3))
    action = np.clip(action, -1, 1)  # some are at the bounds, as stored actions are
    discount = np.r_[0, np.ones(ROWS - 1)]
    parts = (observation, action, rng.normal(size=ROWS), discount, successor)
    return Transition(*(tf.constant(part, tf.float32) for part in parts))


def test_expectile_loss_by_hand():
    loss = expectile_loss(tf.constant([2.0, -2.0, 0.0]), 0.7)
    np.testing.assert_allclose(loss, [0.7 * 4, 0.3 * 4, 0], rtol=1e-6)


def test_weights_of_the_policys_loss_are_bounded_and_constant():
    advantage = tf.Variable([0.5, 100.0])
    log_prob = tf.Variable([-1.0, -2.0])
    with tf.GradientTape(persistent=True) as tape:
        loss = weighted_cloning_loss(log_prob, advantage, 2.0, 50.0)
    np.testing.assert_allclose(loss, [np.e, 2 * 50], rtol=1e-6)
    assert tape.gradient(loss, advantage) is None
    np.testing.assert_allclose(tape.gradient(loss, log_prob), [-np.e, -50], rtol=1e-6)


def test_a_large_expectile_approaches_the_maximum():
    """Of values 0 and 1 with equal probability, the 0.99-expectile is 0.99."""
    value = tf.Variable(0.5)
    for _ in range(2000):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(expectile_loss(tf.constant([0.0, 1.0]) - value, 0.99))
        value.assign_sub(0.5 * tape.gradient(loss, value))
    assert float(value) == pytest.approx(0.99, abs=1e-3)


def test_one_update(spec):
    state, batch = _state(spec), _batch()
    obs, action, reward, discount, successor = (x.numpy().astype(np.float64) for x in batch[:5])
    values = [variable.numpy() for variable in state.value.model.variables]
    policy = {variable.name: variable.numpy() for variable in state.policy.variables}
    q = q_values(state.critics.model, obs, action)
    advantage = q_values(state.critics.target, obs, action).min(axis=0) - mlp(values, obs)[:, 0]
    y = reward + 0.9 * discount * mlp(values, successor)[:, 0]
    weights = [value for name, value in policy.items() if "log_std" not in name]
    (log_std,) = (value for name, value in policy.items() if "log_std" in name)
    noise = (action - np.tanh(mlp(weights, obs))) / np.exp(log_std)
    log_prob = np.sum(-(noise**2) / 2 - log_std - np.log(2 * np.pi) / 2, axis=1)
    metrics, td_error = iql_steps(state, [batch], expectile=0.8, inverse_temperature=2.0)
    expected = {
        "value_loss": np.mean(np.where(advantage < 0, 0.2, 0.8) * advantage**2),
        "advantage": advantage.mean(),
        "critic_loss": np.mean(np.sum((q - y) ** 2 / 2, axis=0)),
        "actor_loss": np.mean(-np.minimum(np.exp(2 * advantage), 100) * log_prob),
        "log_prob": log_prob.mean(),
    }
    for name, number in expected.items():
        assert float(metrics[name]) == pytest.approx(number, rel=1e-5), name
    np.testing.assert_allclose(td_error[0], np.abs(q - y).mean(axis=0), rtol=1e-5)


def test_an_update_changes_all_networks_and_repeats(spec):
    def updated():
        state = _state(spec)
        before = [variable.numpy() for variable in state.variables]
        iql_steps(state, [_batch(1), _batch(2)])
        return before, [variable.numpy() for variable in state.variables], state

    before, after, state = updated()
    names = [variable.name for variable in state.variables]
    unchanged = {
        name
        for name, old, new in zip(names, before, after, strict=True)
        if np.array_equal(old, new)
    }
    assert unchanged == {"updates:0"}  # which the compiled update counts
    for first, second in zip(after, updated()[1], strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"expectile": 1.0}, "iql_steps.expectile must be between 0 and 1"),
        ({"inverse_temperature": 0.0}, "iql_steps.inverse_temperature must be a number above 0"),
        ({"largest_weight": 0.0}, "iql_steps.largest_weight must be"),
        ({"tau": 2.0}, "iql_steps.tau must be"),
    ],
)
def test_numbers_that_cannot_work_are_refused(spec, settings, words):
    with pytest.raises(ConfigurationError, match=words):
        iql_steps(_state(spec), [_batch()], **settings)
