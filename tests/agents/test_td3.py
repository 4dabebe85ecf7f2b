"""TD3 and DDPG: the target with smoothing, the delayed policy, and targets that move with it."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.encoding import NoEncoder
from sac_tf.agents.policy import Policy, make_policy
from sac_tf.agents.td3 import losses, steps
from sac_tf.agents.td3.agent import td3
from sac_tf.agents.td3.state import Td3State
from sac_tf.agents.trainable import Trainable
from sac_tf.agents.update import make_update
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.distributions import SingleAction, single_action
from sac_tf.networks.heads import loc_only
from sac_tf.seeds import draw_seed
from sac_tf.serving.export_policy import export
from sac_tf.serving.loading import load
from sac_tf.serving.policy_spec import PolicySpec
from sac_tf.types import WEIGHT, Transition
from tests.sources import Given

make_state = functools.partial(
    Td3State,
    seed=0,
    discount=0.99,
    policy=functools.partial(
        make_policy,
        network=functools.partial(make_actor, hidden_units=(16,), heads=loc_only),
        distribution=single_action,
    ),
    critic=functools.partial(make_critic, hidden_units=(16,)),
)


def _batch(rows=8) -> Transition:
    normal = functools.partial(tf.random.stateless_normal, seed=[1, 2])
    ends = tf.cast(tf.range(rows) % 4 != 0, tf.float32)
    return Transition(
        normal([rows, 3]), tf.tanh(normal([rows, 2])), normal([rows]), ends, normal([rows, 3]) + 1.0
    )


class _Slopes(tf.Module):
    """Critics Q_i = slope_i * a."""

    output_shape = (2, None)

    def __init__(self, *slopes):
        super().__init__()
        self.slopes = tf.Variable(slopes)

    def __call__(self, inputs, training=False):
        return self.slopes[:, tf.newaxis] * inputs[1][:, 0]

    variables = property(lambda self: [self.slopes])


class _Constant(tf.keras.Model):
    """A policy network with one parameter, the same for all observations."""

    def __init__(self, loc):
        super().__init__()
        self.loc = tf.Variable([[loc]])

    def call(self, inputs):
        return tf.repeat(self.loc, tf.shape(inputs[0])[0], axis=0)


def _toy_state(slopes=(2.0, -5.0), target_slopes=(1.0, 3.0), loc=0.5, target_loc=0.5):
    """States, actions and their target networks are one number each; gradient descent at 0.1."""
    policy = Policy(_Constant(loc), SingleAction)
    critics = _Slopes(*slopes)
    sgd = functools.partial(tf.keras.optimizers.legacy.SGD, 0.1)
    return SimpleNamespace(
        policy=policy,
        actor=Trainable(policy, sgd(), Policy(_Constant(target_loc), SingleAction)),
        critics=Trainable(critics, sgd(), _Slopes(*target_slopes)),
        shared=NoEncoder(policy, critics),
        generator=tf.random.Generator.from_seed(0),
        discount=0.5,
    )


def _toy_batch(**extras) -> Transition:
    one = tf.ones([1, 1])
    return Transition(one, one, tf.ones([1]), tf.ones([1]), one, extras=extras)


def test_loss_of_td3_bc_by_hand():
    """mean |Q| = 2, so that Q is weighted by 2.5 / 2; no gradient flows through that mean."""
    q, action = tf.Variable([1.0, -3.0]), tf.constant([[0.5, 0.0], [1.0, -1.0]])
    with tf.GradientTape() as tape:
        loss = losses.td3_bc_loss(q, action, tf.zeros([2, 2]))
    np.testing.assert_allclose(loss, [-1.25 + 0.125, 3.75 + 1.0], rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(loss, q), [-1.25, -1.25], rtol=1e-6)
    with pytest.raises(ConfigurationError, match="td3_bc_loss.alpha must be"):
        losses.td3_bc_loss(q, action, action, alpha=-1.0)


def test_smoothed_action_clips_the_noise_and_then_the_action():
    action = tf.constant([[0.9, -0.2], [-0.9, 0.0]])
    noise = tf.constant([[0.4, -0.9], [-0.7, 0.3]])
    found = losses.smoothed_action(action, noise, 0.5)
    np.testing.assert_allclose(found, [[1.0, -0.7], [-1.0, 0.3]], rtol=1e-6)


def test_one_critic_step_by_hand():
    """a' = tanh(0.5) = 0.46212, without noise, so the target Q are 0.46212 and 1.38635.

    y = 1 + 0.5 * 0.46212 = 1.23106, the gradients at a = 1 are 2 - y = 0.76894 and -5 - y =
    -6.23106.
    """
    state = _toy_state()
    metrics, td_error = steps.td3_critic_step(state, _toy_batch(), noise_std=0.0)
    expected = [2 - 0.1 * 0.76894, -5 + 0.1 * 6.23106]
    assert state.critics.model.slopes.numpy() == pytest.approx(expected, rel=1e-5)
    assert float(metrics["critic_loss"]) == pytest.approx((0.76894**2 + 6.23106**2) / 2, rel=1e-5)
    assert td_error.numpy() == pytest.approx([(0.76894 + 6.23106) / 2], rel=1e-5)
    assert state.critics.target.slopes.numpy() == pytest.approx([1.0, 3.0])
    assert state.policy.network.loc.numpy() == pytest.approx(0.5)


def test_target_has_the_clipped_noise_of_the_target_policy(spec):
    """Against NumPy, with the noise drawn again; the target policy is not the policy."""
    state = make_state(spec)
    for variable in state.actor.target.network.trainable_variables:
        variable.assign_add(tf.random.stateless_normal(variable.shape, [3, 4]))
    batch = _batch(500)
    before = state.generator.state.numpy()
    noise = tf.random.stateless_normal([500, 2], draw_seed(state.generator)).numpy()
    state.generator.reset(before)
    assert (np.abs(0.3 * noise) > 0.4).any()
    action = state.actor.target.mean_action(batch.next_observation)
    action = np.clip(action + np.clip(0.3 * noise, -0.4, 0.4), -1, 1)
    next_q = state.critics.target([batch.next_observation, action]).numpy().min(axis=0)
    y = batch.reward + 0.99 * batch.discount * next_q
    q = state.critics.model([batch.observation, batch.action])
    _, td_error = steps.td3_critic_step(state, batch, noise_std=0.3, noise_limit=0.4)
    np.testing.assert_allclose(td_error, np.mean(np.abs(q - y), axis=0), rtol=1e-4, atol=1e-5)


def test_one_actor_step_by_hand():
    """dQ_1/dloc = 2 (1 - tanh(0.5)^2) = 1.57290, at a weight of 3 and a rate of 0.1: loc = 0.97187.

    Both targets then move by a quarter: loc from 0 to 0.24297, slopes from 1 and 3 to 1.25 and 1.
    """
    state = _toy_state(target_loc=0.0)
    metrics = steps.td3_actor_step(state, _toy_batch(**{WEIGHT: tf.constant([3.0])}), tau=0.25)
    assert state.policy.network.loc.numpy() == pytest.approx(0.97187, rel=1e-5)
    assert state.actor.target.network.loc.numpy() == pytest.approx(0.97187 / 4, rel=1e-5)
    assert state.critics.target.slopes.numpy() == pytest.approx([1.25, 1.0])
    assert state.critics.model.slopes.numpy() == pytest.approx([2.0, -5.0])
    assert float(metrics["actor_loss"]) == pytest.approx(-3 * 2 * np.tanh(0.5), rel=1e-5)


def test_targets_equal_their_networks_at_the_start(spec):
    state = make_state(spec)
    for trained in (state.actor, state.critics):
        for variable, target in zip(trained.model.variables, trained.target.variables, strict=True):
            assert variable is not target
            np.testing.assert_array_equal(variable, target)


def _weights(model):
    return [variable.numpy() for variable in model.variables]


def _changed(before, model) -> bool:
    return any((a != b).any() for a, b in zip(before, _weights(model), strict=True))


@pytest.mark.parametrize(("period", "moves"), [(1, [1, 2, 3]), (2, [0, 1, 1, 2])])
def test_policy_and_targets_move_together_every_few_updates(spec, period, moves):
    """Counted before each critic step but the first, and at the end."""
    state = make_state(spec)
    models = [state.policy, state.actor.target, state.critics.target]
    versions = [[_weights(model) for model in models]]
    seen = []

    def count():
        moved = [_changed(*pair) for pair in zip(versions[-1], models, strict=True)]
        if any(moved):
            assert all(moved)
            versions.append([_weights(model) for model in models])
        seen.append(len(versions) - 1)

    def critic_step(state, batch):
        count()
        return steps.td3_critic_step(state, batch)

    batches = [_batch()] * len(moves)
    steps.td3_steps(state, batches, critic_steps_per_actor_step=period, critic_step=critic_step)
    count()
    assert seen[1:] == moves


def test_a_call_that_is_no_whole_turn_is_refused(spec):
    message = (
        "update.updates_per_call=3 must be a multiple of td3_steps.critic_steps_per_actor_step=2."
    )
    with pytest.raises(ConfigurationError, match=message):
        make_update(
            make_state(spec), Given(_batch), 8, steps.td3_steps, transforms=(), updates_per_call=3
        )


def test_single_actions_need_an_actor_without_a_log_std(spec):
    policy = make_policy(spec, 0, distribution=single_action)
    with pytest.raises(ConfigurationError, match="needs actor.heads=@loc_only"):
        policy.mean_action(tf.zeros([1, 3]))


def test_a_policy_of_single_actions_acts_and_is_exported(spec, tmp_path):
    policy = td3(policy=make_state.keywords["policy"]).make_policy(spec, 0)
    observation = np.float32(np.random.default_rng(0).normal(size=[4, 3]))
    action = policy.mean_action(observation)
    sampled, extras = policy.sample(observation, tf.constant([1, 2]))
    np.testing.assert_array_equal(sampled, action)
    np.testing.assert_array_equal(extras["log_prob"], np.zeros(4))
    np.testing.assert_allclose(np.tanh(policy.network([observation])), action, rtol=1e-6)
    export(policy, PolicySpec({"task": "none"}, spec, 1, 0.0), tmp_path / "policy")
    np.testing.assert_array_equal(load(tmp_path / "policy").act(observation), action)
    model = tf.saved_model.load(str(tmp_path / "policy"))
    assert set(model.signatures) == {"serving_default"}
