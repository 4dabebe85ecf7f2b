"""The steps of SAC and the compiled update: what changes, in which order, on which batch."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.optimizers import adam
from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac import losses, steps
from sac_tf.agents.sac.state import SacState
from sac_tf.agents.update import make_update
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.temperature import Temperature, softplus
from sac_tf.training.acting import mean_actions, uniform_actions
from sac_tf.training.exploration import sampled
from sac_tf.training.train import Training
from sac_tf.types import Transition
from tests.sources import Given


def _state(spec, seed=0, **settings) -> SacState:
    actor = functools.partial(make_actor, hidden_units=(16,))
    critic = functools.partial(make_critic, hidden_units=(16,))
    policy = functools.partial(make_policy, network=actor)
    return SacState(spec, seed, 0.99, policy=policy, critic=critic, **settings)


def _batch(rows=8) -> Transition:
    normal = functools.partial(tf.random.stateless_normal, seed=[1, 2])
    ends = tf.cast(tf.range(rows) % 4 != 0, tf.float32)
    return Transition(
        normal([rows, 3]), tf.tanh(normal([rows, 2])), normal([rows]), ends, normal([rows, 3]) + 1.0
    )


def _repeat(batch: Transition, times: int) -> Transition:
    return tf.nest.map_structure(lambda leaf: tf.concat([leaf] * times, axis=0), batch)


def _steps(**settings):
    settings = {"alpha_step": steps.alpha_step, **settings}
    return functools.partial(steps.sac_steps, **settings)


def _update(state, sample=_batch, batch_size=4, **settings):
    settings = {"steps": _steps(), **settings}
    return make_update(state, Given(sample), batch_size, transforms=(), **settings)


def _weights(model):
    return [weight.copy() for weight in model.get_weights()]


def _changed(before, model) -> bool:
    return any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_targets_start_equal_and_move_by_tau(spec):
    state = _state(spec)
    before = _weights(state.critics.target)
    assert not _changed(_weights(state.critics.model), state.critics.target)
    steps.critic_step(state, _batch(), tau=0.25)
    for old, new, target in zip(
        before, state.critics.model.get_weights(), state.critics.target.get_weights(), strict=True
    ):
        np.testing.assert_allclose(target, 0.75 * old + 0.25 * new, rtol=1e-5, atol=1e-7)


def test_critics_fit_the_reward_where_nothing_is_bootstrapped(spec):
    state = _state(spec, critic_optimizer=functools.partial(adam, learning_rate=1e-2))
    batch = _batch()._replace(discount=tf.zeros([8]))
    actor = _weights(state.policy.network)
    step = tf.function(lambda: steps.critic_step(state, batch), autograph=False)
    first = float(step()[0]["critic_loss"])
    for _ in range(500):
        last, _ = step()
    assert float(last["critic_loss"]) < 0.01 * first
    np.testing.assert_allclose(
        state.critics.model([batch.observation, batch.action])[0], batch.reward, atol=0.2
    )
    assert not _changed(actor, state.policy.network)


def test_the_actor_step_raises_q_and_changes_no_critic(spec):
    state = _state(spec, temperature=functools.partial(Temperature, 1e-3))
    batch = _batch()
    critic = _weights(state.critics.model)
    target = _weights(state.critics.target)

    def value():
        q = state.critics.model([batch.observation, state.policy(batch.observation).mean_action()])
        return float(tf.reduce_mean(tf.reduce_min(q, axis=0)))

    before = value()
    step = tf.function(lambda: steps.actor_step(state, batch), autograph=False)
    for _ in range(200):
        step()
    assert value() > before + 0.05
    assert not _changed(critic, state.critics.model)
    assert not _changed(target, state.critics.target)


@pytest.mark.parametrize("loss", [losses.alpha_loss, losses.log_alpha_loss])
@pytest.mark.parametrize(("log_prob", "grows"), [(5.0, True), (-5.0, False)])
def test_alpha_grows_where_entropy_is_below_its_target(spec, loss, log_prob, grows):
    state = _state(spec)  # target entropy -2, so entropy is too low where log pi > 2
    steps.alpha_step(state, _batch(), tf.fill([8], log_prob), loss=loss)
    assert (float(state.alpha) > 1) == grows


def test_alpha_stays_in_its_bounds_without_windup(spec):
    """log pi = 5 increases it, -5 decreases it, in steps that are wider than the bounds: its
    parameter must not move beyond them."""
    bounded = functools.partial(
        Temperature, 0.5, minimum=0.4, maximum=0.6, parametrization=softplus
    )
    state = _state(
        spec, temperature=bounded, alpha_optimizer=lambda: tf.keras.optimizers.legacy.SGD(1.0)
    )
    seen = []
    for log_prob in (5.0, 5.0, -5.0, -5.0, 5.0):
        steps.alpha_step(state, _batch(), tf.fill([8], log_prob), loss=losses.alpha_loss)
        seen.append(float(state.alpha))
    assert seen == pytest.approx([0.6, 0.6, 0.4, 0.4, 0.6])


def test_one_call_of_three_updates_equals_three_calls_of_one(spec):
    one = _state(spec)
    three = _state(spec)
    single = _update(one, lambda number: _batch(8), batch_size=8, updates_per_call=1)
    joint = _update(three, lambda number: _repeat(_batch(8), 3), batch_size=8, updates_per_call=3)
    for _ in range(3):
        last = single.run()
    metrics = joint.run()
    assert int(one.updates) == int(three.updates) == 3
    for name in metrics:
        np.testing.assert_allclose(metrics[name], last[name], rtol=1e-4, atol=1e-5, err_msg=name)
    for a, b in zip(
        one.critics.model.get_weights(), three.critics.model.get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "actor_rows"),
    [
        ({}, [4, 4]),
        ({"actor_steps": 2}, [4, 4, 4, 4]),
        ({"actor_batch": steps.whole_batch}, [12, 12]),
    ],
)
def test_rows_of_each_critic_step_and_actor_step(spec, settings, actor_rows):
    seen = {"critic": [], "actor": []}

    def critic_step(state, batch):
        seen["critic"].append(batch.reward.shape[0])
        return {}, batch.reward

    def actor_step(state, batch):
        seen["actor"].append(batch.reward.shape[0])
        return {}, batch.reward

    ordered = _steps(
        critic_steps_per_actor_step=3, critic_step=critic_step, actor_step=actor_step, **settings
    )
    _update(_state(spec), updates_per_call=6, steps=ordered)
    assert seen == {"critic": [4] * 6, "actor": actor_rows}


def test_the_actor_uses_the_batches_since_its_last_step(spec):
    seen = []

    def actor_step(state, batch):
        seen.append(batch)
        return steps.actor_step(state, batch)

    batches = [_batch(2)._replace(reward=tf.fill([2], float(number))) for number in range(4)]
    for choose in (steps.last_batch, steps.whole_batch):
        ordered = _steps(critic_steps_per_actor_step=2, actor_batch=choose, actor_step=actor_step)
        ordered(_state(spec), batches)
    assert [batch.reward.numpy().tolist() for batch in seen] == [
        [1, 1],
        [3, 3],
        [0, 0, 1, 1],
        [2, 2, 3, 3],
    ]


def test_a_source_gets_its_batches_and_their_td_errors(spec):
    source = Given(_batch)
    update = make_update(_state(spec), source, 4, _steps(), transforms=(), updates_per_call=3)
    update.run()
    ((reward, td_error),) = source.learned
    np.testing.assert_array_equal(reward, _batch(12).reward.numpy().reshape(3, 4))
    assert td_error.shape == (3, 4)


def test_transforms_change_batches_in_order_with_the_state(spec):
    """The critics learn from (r + 1) * 2; the source gets back the rewards that it gave."""
    state = _state(spec)
    other = _state(spec)
    seen = []

    def add(given, batch):
        seen.append((given, batch.reward.shape))
        return batch._replace(reward=batch.reward + 1)

    def double(_, batch):
        return batch._replace(reward=2 * batch.reward)

    def changed(number):
        return double(None, _batch(number)._replace(reward=_batch(number).reward + 1))

    source = Given(_batch)
    update = make_update(state, source, 4, _steps(), transforms=[add, double], updates_per_call=2)
    expected = _update(other, changed, updates_per_call=2)
    assert float(update.run()["critic_loss"]) == float(expected.run()["critic_loss"])
    assert seen == [(state, (4,))] * 2
    np.testing.assert_array_equal(source.learned[0][0].ravel(), _batch(8).reward)


def test_without_an_alpha_step_alpha_is_constant(spec):
    state = _state(spec, temperature=functools.partial(Temperature, 0.2))
    update = _update(state, updates_per_call=2, steps=_steps(alpha_step=None))
    before = _weights(state.policy.network)
    assert float(update.run()["alpha"]) == pytest.approx(0.2)
    assert _changed(before, state.policy.network)


def test_xla_gives_the_same_critics_where_nothing_is_drawn(spec):
    def sample(number):
        return _batch(number)._replace(discount=tf.zeros([number]))

    results = []
    for jit_compile in (False, True):
        state = _state(spec)
        _update(state, sample, updates_per_call=1, jit_compile=jit_compile).run()
        results.append(state.critics.model.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def _drawn(state, spec, observation):
    return sampled(state.policy, state.exploration_generator, spec, 2).act(observation)


def test_the_same_seed_gives_the_same_state_and_actions(spec):
    first = _state(spec, 5)
    again = _state(spec, 5)
    other = _state(spec, 6)
    observation = np.ones((2, 3), np.float32)
    draws = [
        [_drawn(state, spec, observation) for _ in range(2)] for state in (first, again, other)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0][0] != draws[2][0]).any()
    assert (draws[0][0] != draws[0][1]).any()
    np.testing.assert_array_equal(
        mean_actions(first.policy, spec, 2)(observation),
        mean_actions(again.policy, spec, 2)(observation),
    )
    uniform = uniform_actions(spec, 2, seed=1)(observation)
    np.testing.assert_array_equal(uniform, uniform_actions(spec, 2, seed=1)(observation))
    assert uniform.shape == (2, 2)
    assert np.abs(uniform).max() <= 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 0}, "train.batch_size must be an integer of at least 1, got 0"),
        (
            {"updates_per_call": 2.5},
            "update.updates_per_call must be an integer of at least 1, got 2.5",
        ),
        ({"steps": _steps(critic_steps_per_actor_step=3)}, "must be a multiple of"),
        (
            {"steps": _steps(critic_step=functools.partial(steps.critic_step, tau=0))},
            "critic_step.tau must be",
        ),
    ],
)
def test_a_number_out_of_range_raises(spec, settings, words):
    with pytest.raises(ConfigurationError, match=words):
        _update(_state(spec), **settings)


@pytest.mark.parametrize("discount", [1.5, 2, -0.1])
def test_a_discount_out_of_range_raises(discount):
    """The run checks the discount of critic steps, n-step rows and the reward scale."""
    words = f"train.discount must be a number from 0 to 1, got {discount}"
    with pytest.raises(ConfigurationError, match=words):
        Training("none", discount=discount)


@pytest.mark.parametrize("discount", [0.5, 0.99])
def test_the_td_target_uses_the_discount_of_the_state(spec, discount):
    """With a reward of 0 and V(s') = 1, the TD target is the discount."""
    targets = []

    def loss(q, target):
        targets.append(target)
        return losses.critic_loss(q, target)

    state = _state(spec)
    state.discount = discount
    batch = _batch()._replace(reward=tf.zeros([8]), discount=tf.ones([8]))
    steps.critic_step(state, batch, value=lambda q, log_prob, alpha: tf.ones([8]), loss=loss)
    np.testing.assert_allclose(targets, [[discount] * 8], rtol=1e-6)


def test_a_delayed_actor_is_constant_between_its_steps(spec):
    """No step is taken, instead of steps on zero gradients, where Adam's momentum would move it."""
    state = _state(spec)
    weights = []
    for _ in range(2):
        _steps(critic_steps_per_actor_step=2)(state, [_batch()] * 2)
        weights.append([*_weights(state.policy.network), state.temperature.model.parameter.numpy()])

    def critic_step(state, batch):
        assert not _changed(weights[-1][:-1], state.policy.network)
        assert state.temperature.model.parameter.numpy() == weights[-1][-1]
        return steps.critic_step(state, batch)

    _steps(critic_steps_per_actor_step=2, critic_step=critic_step)(state, [_batch()] * 2)
    assert int(state.actor.optimizer.iterations) == int(state.temperature.optimizer.iterations) == 3
    assert int(state.critics.optimizer.iterations) == 6
    assert _changed(weights[-1][:-1], state.policy.network)
