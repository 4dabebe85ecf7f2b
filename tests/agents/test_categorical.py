"""Categorical critics: projections of targets, mixtures of critics, and one step against NumPy."""

import functools
import math

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents import optimizers, passes, pools
from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac import categorical, steps
from sac_tf.agents.sac.state import SacState
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.batch_norm_torsos import batch_norm_torso
from sac_tf.networks.categorical import CategoricalCritic, Expectation, categorical_head
from sac_tf.networks.critic import make_critic
from sac_tf.networks.normalization import EnsembleBatchNormalization
from sac_tf.networks.temperature import Temperature
from sac_tf.networks.torsos import mlp_torso
from sac_tf.seeds import draw_seed
from sac_tf.types import Transition

SUPPORT = tf.constant([-1.0, 0.0, 1.0])


def _batch(rows=8) -> Transition:
    normal = functools.partial(tf.random.stateless_normal, seed=[1, 2])
    ends = tf.cast(tf.range(rows) % 4 != 0, tf.float32)
    return Transition(
        normal([rows, 3]), tf.tanh(normal([rows, 2])), normal([rows]), ends, normal([rows, 3]) + 1.0
    )


def _state(spec, torso=mlp_torso, atoms=11, largest=2.0, **settings) -> SacState:
    head = functools.partial(categorical_head, atoms=atoms, minimum=-largest, maximum=largest)
    policy = functools.partial(
        make_policy, network=functools.partial(make_actor, hidden_units=(16,), torso=torso)
    )
    critic = functools.partial(make_critic, hidden_units=(16,), torso=torso, head=head)
    return SacState(spec, 0, 0.99, policy=policy, critic=critic, **settings)


def test_expectation_by_hand():
    logits = tf.math.log([[[0.2, 0.3, 0.5]], [[1.0, 1.0, 2.0]]])
    np.testing.assert_allclose(Expectation(3, -1.0, 1.0)(logits), [[0.3], [0.25]], rtol=1e-5)


def test_two_bins_by_hand():
    """Of mass 0.4 at 0.25, three quarters stay at 0; 5 is clipped to 1, -9 to -1."""
    found = categorical.two_bins(
        tf.constant([[0.25, 5.0], [-9.0, 0.0]]), tf.constant([[0.4, 0.6], [0.1, 0.9]]), SUPPORT
    )
    np.testing.assert_allclose(found, [[0, 0.3, 0.7], [0.1, 0.9, 0]], atol=1e-6)


def test_two_bins_against_the_sum_over_all_pairs():
    generator = np.random.default_rng(0)
    support = np.linspace(-5, 5, 21)
    returns = generator.normal(0, 3, [50, 21])
    probabilities = generator.dirichlet(np.ones(21), 50)
    distances = np.abs(np.clip(returns, -5, 5)[:, :, np.newaxis] - support)
    expected = np.sum(probabilities[:, :, np.newaxis] * np.maximum(0, 1 - distances / 0.5), axis=1)
    arguments = (np.float32(array) for array in (returns, probabilities, support))
    found = categorical.two_bins(*map(tf.constant, arguments))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_hl_gauss_by_hand():
    """The mean is 0.4 * 0.5 = 0.2, the edges are at -1.5, -0.5, 0.5 and 1.5, the standard deviation
    is 0.75."""
    found = categorical.hl_gauss(
        tf.constant([[0.5, 0.0], [50.0, 50.0]]), tf.constant([[0.4, 0.6], [0.5, 0.5]]), SUPPORT
    )
    for row, mean in ((found[0], 0.2), (found[1], 1.0)):
        edges = [-1.5, -0.5, 0.5, 1.5]
        below = np.array([math.erf((edge - mean) / (0.75 * math.sqrt(2))) for edge in edges])
        np.testing.assert_allclose(row, np.diff(below) / (below[-1] - below[0]), rtol=1e-5)


def test_a_mixture_has_the_critics_that_the_pool_takes():
    """The minimum takes another critic in each row, with its whole distribution."""
    generator = tf.random.Generator.from_seed(0)
    one = np.array([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5]]) + 1e-6  # means -0.6 and 0.5
    two = np.array([[0.1, 0.8, 0.1], [0.5, 0.0, 0.5]]) + 1e-6  # means 0 and 0
    logits = tf.constant(np.log([one, two]), tf.float32)
    mean = Expectation(3, -1.0, 1.0)
    mixed = functools.partial(categorical.mixture, logits=logits, mean=mean, generator=generator)
    np.testing.assert_allclose(mixed(pools.minimum_q), [one[0], two[1]], atol=1e-5)
    np.testing.assert_allclose(mixed(pools.mean_q), (one + two) / 2, atol=1e-5)
    chosen = mixed(functools.partial(pools.subset_minimum_q, size=1)).numpy()
    assert np.allclose(chosen, one, atol=1e-5) or np.allclose(chosen, two, atol=1e-5)


def _softmax(logits):
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def test_one_step_against_numpy(spec):
    """The target has, in each row, the whole distribution of the critic with the smaller mean."""
    state = _state(spec, critic_optimizer=lambda: tf.keras.optimizers.legacy.SGD(0.1))
    for variable in state.critics.target.trainable_variables:
        variable.assign_add(0.5 * tf.random.stateless_normal(variable.shape, [3, 4]))
    batch = _batch(50)
    saved = state.generator.state.numpy()
    policy = state.policy(batch.next_observation)
    next_action, log_prob = policy.sample_action(draw_seed(state.generator))
    state.generator.reset(saved)
    behind = CategoricalCritic(state.critics.target)
    support = behind.support.numpy()
    p = _softmax(behind.logits([batch.next_observation, next_action]).numpy())
    smaller = np.argmin(p @ support, axis=0)
    assert 0 < smaller.sum() < 50
    p = p[smaller, np.arange(50)]
    values = support - log_prob.numpy()[:, np.newaxis]  # alpha is 1
    reward, discount = (x.numpy()[:, np.newaxis] for x in (batch.reward, batch.discount))
    returns = np.clip(reward + 0.99 * discount * values, -2, 2)
    distances = np.abs(returns[:, :, np.newaxis] - support)
    y = np.sum(p[:, :, np.newaxis] * np.maximum(0, 1 - distances / 0.4), axis=1)
    logits = CategoricalCritic(state.critics.model).logits([batch.observation, batch.action])
    entropies = -np.sum(y * np.log(_softmax(logits.numpy())), axis=-1)
    q = state.critics.model([batch.observation, batch.action]).numpy()

    metrics, td_error = categorical.categorical_step(state, batch)
    assert float(metrics["critic_loss"]) == pytest.approx(entropies.sum(0).mean(), rel=1e-4)
    np.testing.assert_allclose(td_error, np.abs(q - y @ support).mean(0), rtol=1e-3, atol=1e-4)


def test_the_recipe_of_xqc_learns_the_best_action(spec):
    """Episodes of one step have the reward 1 - 2 |a - (0.5, -0.5)|^2."""
    adam = functools.partial(tf.keras.optimizers.legacy.Adam, 1e-2)
    state = _state(
        spec,
        torso=batch_norm_torso,
        atoms=41,
        largest=8.0,
        critic_optimizer=adam,
        actor_optimizer=adam,
        temperature=functools.partial(Temperature, 0.01),
    )
    best = tf.constant([0.5, -0.5])

    def update():
        action = state.generator.uniform([64, 2], -1, 1)
        reward = 1 - 2 * tf.reduce_sum((action - best) ** 2, axis=1)
        observation = state.generator.normal([64, 3])
        batch = Transition(observation, action, reward, tf.zeros([64]), observation)
        categorical.categorical_step(
            state, batch, forward=passes.joint_pass, projection=categorical.hl_gauss
        )
        steps.actor_step(state, batch, joint=True)
        return action, reward, observation

    compiled = tf.function(update, autograph=False)
    for _ in range(400):
        action, reward, observation = compiled()
    q = state.critics.model([observation, action])
    np.testing.assert_allclose(np.mean(np.abs(q - reward)), 0, atol=0.5)
    np.testing.assert_allclose(state.policy.mean_action(observation), [[0.5, -0.5]] * 64, atol=0.3)


def test_a_joint_pass_normalizes_both_halves(spec):
    critic = _state(spec, torso=batch_norm_torso).critics.model
    batch = _batch()
    now = [batch.observation, batch.action]
    after = [batch.next_observation, batch.action]
    logits = CategoricalCritic(critic).logits
    both = [tf.concat(pair, 0) for pair in zip(now, after, strict=True)]
    expected = logits(both, training=True)
    assert expected.shape == (2, 16, 11)
    found = passes.joint_pass(logits, now, after, training=False)
    np.testing.assert_allclose(found, expected[:, :8], rtol=1e-4, atol=1e-5)
    alone = passes.separate_pass(logits, now, after, training=True)
    np.testing.assert_array_equal(alone, logits(now, training=True))
    assert np.abs(alone - found).max() > 0.01


def test_projection_and_statistics_after_one_step(spec):
    """Kernels move by the gradient and back to columns of norm 1; the statistics of the inputs are
    those of both halves."""
    state = _state(
        spec, torso=batch_norm_torso, critic_optimizer=lambda: tf.keras.optimizers.legacy.SGD(0.1)
    )
    batch = _batch()
    saved = state.generator.state.numpy()
    policy = state.policy(batch.next_observation)
    next_action, _ = policy.sample_action(draw_seed(state.generator))
    state.generator.reset(saved)
    now = np.concatenate([batch.observation, batch.action], axis=1)
    after = np.concatenate([batch.next_observation, next_action], axis=1)
    expected = []

    def minimize(loss, optimizer, variables):
        with tf.GradientTape() as tape:
            mean = tf.reduce_mean(loss()[0])
        for variable, gradient in zip(variables, tape.gradient(mean, variables), strict=True):
            moved = variable.numpy() - 0.1 * tf.convert_to_tensor(gradient).numpy()
            if variable.constraint is not None:
                moved /= np.linalg.norm(moved, axis=0)
            expected.append(moved)
        return optimizers.minimize(loss, optimizer, variables)

    categorical.categorical_step(state, batch, forward=passes.joint_pass, minimize=minimize)
    variables = state.critics.model.trainable_variables
    assert sum(variable.constraint is not None for variable in variables) == 2
    for variable, value in zip(variables, expected, strict=True):
        np.testing.assert_allclose(variable, value, rtol=1e-4, atol=1e-5)
    layers = state.critics.model.layers
    first = next(layer for layer in layers if isinstance(layer, EnsembleBatchNormalization))
    both = np.concatenate([now, after])
    # `minimize` evaluates the loss twice.
    np.testing.assert_allclose(first.moving_mean[1], (1 - 0.99**2) * both.mean(0), rtol=1e-3)


def test_the_first_step_without_targets_is_that_with_targets(spec):
    """Target critics are equal to the critics before it."""
    joint = functools.partial(categorical.categorical_step, forward=passes.joint_pass)
    found = []
    for step, settings in (
        (joint, {}),
        (categorical.categorical_crossq_step, {"target_critic": None}),
    ):
        sgd = functools.partial(tf.keras.optimizers.legacy.SGD, 0.1)
        state = _state(spec, torso=batch_norm_torso, critic_optimizer=sgd, **settings)
        state.generator.reset_from_seed(1)
        last = state.critics.model.trainable_variables[-1]
        before = last.numpy().copy()
        metrics, td_error = step(state, _batch())
        variables = state.critics.model.variables
        found.append([*metrics.values(), td_error, *(v.numpy() for v in variables)])
        assert np.any(last != before)
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_the_policy_may_see_the_next_observations_in_its_step(spec):
    batch = _batch()
    means = []
    for joint in (False, True):
        state = _state(spec, torso=batch_norm_torso)
        steps.actor_step(state, batch, joint=joint)
        layers = state.policy.network.layers
        first = next(layer for layer in layers if isinstance(layer, EnsembleBatchNormalization))
        means.append(first.moving_mean[0])
    both = np.concatenate([batch.observation, batch.next_observation])
    np.testing.assert_allclose(means[0], 0.01 * np.mean(batch.observation, axis=0), rtol=1e-3)
    np.testing.assert_allclose(means[1], 0.01 * both.mean(0), rtol=1e-3)


def test_a_step_with_scalar_critics_is_refused(spec):
    scalar = functools.partial(make_critic, hidden_units=(16,))
    state = SacState(spec, 0, 0.99, policy=make_policy, critic=scalar)
    with pytest.raises(ConfigurationError, match="set critic.head to @categorical_head"):
        categorical.categorical_step(state, _batch())
    state = SacState(spec, 0, 0.99, policy=make_policy, critic=scalar, target_critic=None)
    words = "^sac_steps.critic_step needs critics of distributions: set critic.head to"
    with pytest.raises(ConfigurationError, match=words):
        categorical.categorical_crossq_step(state, _batch())


def test_a_step_without_targets_is_refused(spec):
    with pytest.raises(ConfigurationError, match="categorical_step needs target critics"):
        categorical.categorical_step(_state(spec, target_critic=None), _batch())


def test_target_critics_that_nothing_would_use_are_refused(spec):
    words = "categorical_crossq_step learns without target critics"
    with pytest.raises(ConfigurationError, match=words):
        categorical.categorical_crossq_step(_state(spec), _batch())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"atoms": 1}, "categorical_head.atoms"),
        ({"minimum": 5.0}, "categorical_head.minimum must be below the maximum, got 5.0"),
    ],
)
def test_a_head_without_a_range_is_refused(spec, settings, message):
    with pytest.raises(ConfigurationError, match=message):
        make_critic(spec, 0, head=functools.partial(categorical_head, **settings))
