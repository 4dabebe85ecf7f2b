"""CrossQ's critic step: one pass over both batches, no target critics, moving statistics."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.encoding import NoEncoder
from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac import steps
from sac_tf.agents.sac.crossq import crossq_step
from sac_tf.agents.sac.state import SacState
from sac_tf.agents.trainable import Trainable
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.torsos import batch_renorm_torso
from sac_tf.serving.export_policy import export
from sac_tf.serving.policy_spec import PolicySpec
from sac_tf.training.acting import mean_actions
from sac_tf.types import Transition

make_state = functools.partial(
    SacState,
    discount=0.99,
    policy=functools.partial(
        make_policy,
        network=functools.partial(make_actor, hidden_units=(16,), torso=batch_renorm_torso),
    ),
    critic=functools.partial(make_critic, hidden_units=(16,), torso=batch_renorm_torso),
)
make_crossq_state = functools.partial(make_state, target_critic=None)


def _batch(rows=8) -> Transition:
    normal = functools.partial(tf.random.stateless_normal, seed=[1, 2])
    return Transition(
        normal([rows, 3]),
        tf.tanh(normal([rows, 2])),
        normal([rows]),
        tf.ones([rows]),
        normal([rows, 3]),
    )


class _CenteringCritic(tf.Module):
    """Q = weight * (a - mean of the batch's a): linear, with the part of batch normalization that
    mixes rows."""

    def __init__(self, weight):
        super().__init__()
        self.weight = tf.Variable([weight])
        self.calls = []

    def __call__(self, inputs, training=False):
        _, action = inputs
        self.calls.append((action.shape[0], training))
        return (self.weight[:, tf.newaxis] * (action - tf.reduce_mean(action))[:, 0])[:1]


def test_one_step_by_hand():
    """(s, a) has a = 1 and (s', a') has a' = 3, so the joint mean is 2: at w = 2, Q = -w and
    Q' = w.

    V = 2 - 0.5 * 0.5 = 1.75, y = 1 + 0.5 * 1.75 = 1.875, and the gradient of (Q - y)^2 / 2 is
    (-2 - 1.875) * -1 = 3.875: through y it would be 3.875 * 1.5. Gradient descent at a rate of 0.1
    gives w = 1.6125.
    """
    toy = _CenteringCritic(2.0)
    policy = SimpleNamespace(sample_action=lambda seed: (tf.constant([[3.0]]), tf.constant([0.5])))

    def moving_policy(observation, training=False):
        assert not training
        return policy

    state = SimpleNamespace(
        critics=Trainable(toy, tf.keras.optimizers.legacy.SGD(0.1)),
        policy=moving_policy,
        shared=NoEncoder(moving_policy, toy),
        alpha=tf.constant(0.5),
        discount=0.5,
        generator=tf.random.Generator.from_seed(0),
    )
    batch = Transition(
        tf.zeros([1, 1]),
        tf.constant([[1.0]]),
        tf.constant([1.0]),
        tf.constant([1.0]),
        tf.zeros([1, 1]),
    )
    metrics, td_error = crossq_step(state, batch)
    assert toy.weight.numpy()[0] == pytest.approx(1.6125)
    assert toy.calls == [(2, True)]
    assert float(metrics["critic_loss"]) == pytest.approx(3.875**2 / 2)
    assert td_error.numpy() == pytest.approx([3.875])


def _statistics(model):
    return [variable.numpy() for variable in model.non_trainable_variables]


def _is_equal(before, model) -> bool:
    pairs = zip(before, _statistics(model), strict=True)
    return all((old == new).all() for old, new in pairs)


def _all_changed(before, model) -> bool:
    pairs = zip(before, _statistics(model), strict=True)
    return all((old != new).any() for old, new in pairs)


def test_each_step_updates_the_statistics_of_its_network(spec):
    state = make_crossq_state(spec, 0)
    actor = _statistics(state.policy.network)
    critic = _statistics(state.critics.model)
    crossq_step(state, _batch())
    assert _is_equal(actor, state.policy.network)
    assert _all_changed(critic, state.critics.model)
    critic = _statistics(state.critics.model)
    steps.actor_step(state, _batch())
    assert _all_changed(actor, state.policy.network)
    assert _is_equal(critic, state.critics.model)


def test_restored_and_exported_policies_use_moving_statistics(spec, tmp_path):
    state = make_crossq_state(spec, 0)
    restored = make_crossq_state(spec, 1)
    observation = np.float32(np.random.default_rng(0).normal(size=[4, 3]))
    for number, variable in enumerate(state.policy.network.trainable_variables):
        variable.assign_add(0.1 * tf.random.stateless_normal(variable.shape, [number, 0]))
    before = mean_actions(state.policy, spec, 4)(observation)
    state.policy(observation, training=True)
    action = mean_actions(state.policy, spec, 4)(observation)
    assert np.abs(action - before).max() > 1e-4
    path = tf.train.Checkpoint(state=state).write(str(tmp_path / "state"))
    tf.train.Checkpoint(state=restored).read(path).assert_consumed()
    np.testing.assert_array_equal(mean_actions(restored.policy, spec, 4)(observation), action)
    export(restored.policy, PolicySpec({"task": "none"}, spec, 1, 0.0), tmp_path / "policy")
    served = tf.saved_model.load(str(tmp_path / "policy")).signatures["serving_default"]
    np.testing.assert_array_equal(served(observation=tf.constant(observation))["action"], action)


def test_a_step_that_does_not_fit_the_target_critics_raises(spec):
    with pytest.raises(
        ConfigurationError, match="crossq_step learns without target critics: set SacState"
    ):
        crossq_step(make_state(spec, 0), _batch())
    with pytest.raises(
        ConfigurationError, match="critic_step needs target critics: SacState.target_critic"
    ):
        steps.critic_step(make_crossq_state(spec, 0), _batch())
