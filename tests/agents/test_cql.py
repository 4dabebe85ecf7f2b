"""CQL and Cal-QL: the losses against NumPy, the multiplier, cloning, images, replicas."""

import functools
import math

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.cql import actions
from sac_tf.agents.cql.losses import calibrated, conservative_gap
from sac_tf.agents.cql.multiplier import cql_state, gap_multiplier
from sac_tf.agents.cql.steps import cloning_actor_step, cql_gap, cql_step
from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac.losses import soft_value
from sac_tf.agents.sac.state import SacState
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.seeds import draw_seed
from sac_tf.types import RETURN_TO_GO, WEIGHT, Transition
from tests.agents.mlp import mlp, q_values

ROWS = 5
POLICY = functools.partial(make_policy, network=functools.partial(make_actor, hidden_units=(8,)))
CRITIC = functools.partial(make_critic, hidden_units=(8, 8))
make_state = functools.partial(SacState, discount=0.9, policy=POLICY, critic=CRITIC)


def _batch(extras=None) -> Transition:
    rng = np.random.default_rng(5)
    normal = [rng.normal(size=(ROWS, size)).astype(np.float32) for size in (3, 2, 3)]
    observation, action, successor = normal
    reward = rng.normal(size=ROWS).astype(np.float32)
    discount = np.float32([1, 1, 0, 1, 1])
    parts = (observation, np.tanh(action), reward, discount, successor)
    extras = {name: tf.constant(value) for name, value in (extras or {}).items()}
    return Transition(*map(tf.constant, parts), extras)


def _with_multiplier(spec, multiplier) -> SacState:
    state = functools.partial(SacState, critic=CRITIC)
    return cql_state(spec, 1, 0.9, POLICY, state=state, multiplier=multiplier)


def _gap(number, **settings):
    """Returns CQL's gap with n sampled actions."""
    return functools.partial(cql_gap, sampled_actions=number, **settings)


def _drawn(state, batch, number, next_actions):
    """Returns what a critic step will draw: the target's actions, the uniform ones and the
    policy's."""
    before = state.generator.state.numpy()
    target = actions.drawn_actions(state, batch.next_observation, next_actions)
    uniform = actions.uniform_actions(state, batch, number)
    policies = actions.policy_actions(state, batch, number)
    state.generator.state.assign(before)
    return target, uniform, policies


def _expected_loss(state, batch, weight, number, temperature, next_actions, returns=None):
    """Returns the loss of the critic step, row by row, action by action."""
    target, uniform, policies = _drawn(state, batch, number, next_actions)
    obs, action, reward, discount, successor = (np.asarray(x) for x in batch[:5])
    critics, targets = state.critics.model, state.critics.target
    losses = []
    for row in range(ROWS):
        s = obs[row : row + 1]
        best = np.max(
            [
                q_values(targets, successor[row : row + 1], a[row : row + 1])[:, 0]
                for a in target[0]
            ],
            axis=0,
        )
        y = reward[row] + 0.9 * discount[row] * best.min()
        q = q_values(critics, s, action[row : row + 1])[:, 0]
        terms = []
        for a in uniform.action.numpy():
            terms.append(q_values(critics, s, a[row : row + 1])[:, 0] + 2 * math.log(2))
        for a, log_prob in zip(*(part.numpy() for part in policies), strict=True):
            of_policy = q_values(critics, s, a[row : row + 1])[:, 0]
            if returns is not None:
                of_policy = np.maximum(of_policy, returns[row])
            terms.append(of_policy - log_prob[row])
        assert len(terms) == 3 * number
        sums = np.sum(np.exp(np.array(terms) / temperature), axis=0)
        gap = temperature * np.log(sums) - q
        losses.append(np.sum((q - y) ** 2 / 2 + weight * gap / 2))
    return losses


@pytest.mark.parametrize(
    ("weight", "number", "temperature", "next_actions"), [(5.0, 2, 1.0, 1), (1.0, 3, 2.0, 4)]
)
def test_loss_of_cql(spec, weight, number, temperature, next_actions):
    state, batch = make_state(spec, 1), _batch()
    expected = np.mean(_expected_loss(state, batch, weight, number, temperature, next_actions))
    gap = _gap(number, weight=weight, temperature=temperature)
    metrics, td_error = cql_step(state, batch, gap=gap, next_actions=next_actions)
    assert float(metrics["critic_loss"]) == pytest.approx(expected, rel=1e-5)
    assert td_error.shape == [ROWS]


def test_loss_of_cal_ql_with_importance_weights(spec):
    returns, weights = np.float32([-9, 9, 0.1, 9, -0.1]), np.float32([1, 0, 2, 0.5, 1])
    state, batch = make_state(spec, 1), _batch({RETURN_TO_GO: returns, WEIGHT: weights})
    expected = np.mean(weights * _expected_loss(state, batch, 5.0, 2, 1.0, 1, returns))
    metrics, _ = cql_step(state, batch, gap=_gap(2, calibrate=True))
    assert float(metrics["critic_loss"]) == pytest.approx(expected, rel=1e-5)


def test_densities_of_the_policys_actions(spec):
    """log pi(a|s) of the squashed Gaussian, from the weights of the actor."""
    state, batch = make_state(spec, 1), _batch()
    found = actions.drawn_actions(state, batch.observation, 3)
    weights = [variable.numpy() for variable in state.policy.variables]
    loc, log_std = np.split(mlp(weights, batch.observation.numpy().astype(np.float64)), 2, axis=1)
    noise = (np.arctanh(found.action.numpy().astype(np.float64)) - loc) / np.exp(log_std)
    density = -(noise**2) / 2 - log_std - math.log(2 * math.pi) / 2
    expected = np.sum(density - np.log1p(-(found.action.numpy().astype(np.float64) ** 2)), axis=2)
    np.testing.assert_allclose(found.log_density, expected, atol=0.02)  # float32 near 1


def test_gap_and_calibration_by_hand():
    """Q = 1, 3 with densities 1 and 1/e: log(e^1 + e^4) - 2; calibration lifts the 1 to 2."""
    q = tf.constant([[[1.0], [3.0]]])
    gap = conservative_gap(q, tf.constant([[0.0], [-1.0]]), tf.constant([[2.0]]))
    np.testing.assert_allclose(gap, [[np.log(np.exp(1) + np.exp(4)) - 2]], rtol=1e-6)
    np.testing.assert_allclose(calibrated(q, tf.constant([2.0])), [[[2.0], [3.0]]])


def test_entropy_in_the_target_is_a_choice(spec):
    state, batch = make_state(spec, 1), _batch()
    (drawn, log_density), *_ = _drawn(state, batch, 1, 1)
    q = q_values(state.critics.target, batch.next_observation.numpy(), drawn[0].numpy())
    bonus = batch.discount * 0.9 * (q.min(axis=0) - log_density[0])
    expected = np.abs(
        q_values(state.critics.model, batch.observation.numpy(), batch.action.numpy())
        - (batch.reward + bonus)
    ).mean(axis=0)
    _, td_error = cql_step(state, batch, gap=_gap(1), value=soft_value)
    np.testing.assert_allclose(td_error, expected, rtol=1e-4)


def test_a_critic_step_moves_critics_and_targets_only(spec):
    state, batch = make_state(spec, 1), _batch()
    before = [[v.numpy() for v in part.variables] for part in (state.policy, state.critics.model)]
    targets = [variable.numpy() for variable in state.critics.target.variables]
    cql_step(state, batch, gap=_gap(2), tau=0.25)
    for own, value in zip(state.policy.variables, before[0], strict=True):
        np.testing.assert_array_equal(own, value)
    for own, value, target, old in zip(
        state.critics.model.variables,
        before[1],
        state.critics.target.variables,
        targets,
        strict=True,
    ):
        assert (own.numpy() != value).any()
        np.testing.assert_allclose(target, 0.75 * old + 0.25 * own.numpy(), atol=1e-6)


@pytest.mark.parametrize(("threshold", "grows"), [(-100.0, True), (100.0, False)])
def test_the_multiplier_follows_the_constraint(spec, threshold, grows):
    """It starts at 2; the first step of Adam changes its logarithm by the learning rate."""
    sgd = functools.partial(tf.keras.optimizers.legacy.SGD, 0.01)
    multiplier = functools.partial(gap_multiplier, threshold, initial=2.0, optimizer=sgd)
    state, batch = _with_multiplier(spec, multiplier), _batch()
    expected = np.mean(_expected_loss(state, batch, 2 * 3.0, 2, 1.0, 1))
    metrics, _ = cql_step(state, batch, gap=_gap(2, weight=3.0))
    assert float(metrics["critic_loss"]) == pytest.approx(expected, rel=1e-5)
    change = 0.01 * 2.0 * (float(metrics["gap"]) - threshold)
    assert float(metrics["multiplier"]) == pytest.approx(2.0 * math.exp(change), rel=1e-5)
    assert (change > 0) == grows


def test_the_multiplier_stays_below_its_maximum(spec):
    sgd = functools.partial(tf.keras.optimizers.legacy.SGD, 10.0)
    multiplier = functools.partial(gap_multiplier, -50.0, maximum=3.0, optimizer=sgd)
    state = _with_multiplier(spec, multiplier)
    metrics, _ = cql_step(state, _batch(), gap=_gap(2))
    assert float(metrics["multiplier"]) == pytest.approx(3.0)


def test_the_policy_clones_the_data_at_first(spec):
    """The loss of the first update has log pi of the data's actions, that of the second has Q."""
    state, batch = make_state(spec, 1), _batch()
    for number in range(2):
        before = state.generator.state.numpy()
        distribution = state.policy(batch.observation)
        action, log_prob = distribution.sample_action(draw_seed(state.generator))
        state.generator.state.assign(before)
        q = q_values(state.critics.model, batch.observation.numpy(), action.numpy()).min(axis=0)
        benefit = q if number else distribution.log_prob_of_action(batch.action)
        expected = np.mean(state.alpha * log_prob - benefit)
        metrics, _ = cloning_actor_step(state, batch, cloning_updates=1)
        assert float(metrics["actor_loss"]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gap": _gap(1, weight=-1.0)}, "cql_gap.weight must be a number of at least 0"),
        ({"gap": _gap(1, temperature=0.0)}, "cql_gap.temperature must be a number above 0"),
        ({"gap": _gap(0)}, "cql_gap.sampled_actions must be"),
        ({"gap": _gap(1, calibrate=True)}, "cql_gap.calibrate=True needs returns to go"),
        ({"next_actions": 0}, "cql_step.next_actions must be"),
        ({"tau": 0.0}, "cql_step.tau must be"),
    ],
)
def test_settings_that_cannot_work_are_refused(spec, settings, words):
    with pytest.raises(ConfigurationError, match=words):
        cql_step(make_state(spec, 1), _batch(), **settings)


def test_a_state_without_targets_is_refused(spec):
    with pytest.raises(ConfigurationError, match="cql_step needs target critics"):
        cql_step(make_state(spec, 1, target_critic=None), _batch())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"threshold": math.inf}, "gap_multiplier.threshold must be"),
        ({"initial": 0.0}, "gap_multiplier.initial must be"),
        ({"initial": 2.0, "maximum": 1.0}, "gap_multiplier.initial=2.0 must not be above"),
    ],
)
def test_a_multiplier_that_cannot_work_is_refused(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        gap_multiplier(**settings)
