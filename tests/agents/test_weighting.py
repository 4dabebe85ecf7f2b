"""Importance weights: the weight of a row multiplies its loss in every step."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.sac import steps
from sac_tf.agents.sac.crossq import crossq_step
from sac_tf.agents.sac.state import TrainState
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.replay.prioritized import WeightedTransition
from sac_tf.types import Transition

ROWS = 6


def _state(spec, **settings) -> TrainState:
    actor = functools.partial(make_actor, hidden_units=(8,))
    critic = functools.partial(make_critic, hidden_units=(8,))
    return TrainState(spec, 0, 0.99, actor=actor, critic=critic, **settings)


def _batch(changed=0.0) -> Transition:
    """Rows of which the last two differ by `changed`."""
    normal = functools.partial(tf.random.stateless_normal, seed=[1, 2])
    last = tf.constant([0.0] * (ROWS - 2) + [changed] * 2)
    return Transition(
        normal([ROWS, 3]) + last[:, None],
        tf.tanh(normal([ROWS, 2])),
        last,
        tf.ones([ROWS]),
        normal([ROWS, 3]),
    )


def _weighted(weight, changed=0.0) -> WeightedTransition:
    return WeightedTransition(*_batch(changed), tf.constant(weight, tf.float32), tf.range(ROWS))


def _critic(spec, batch):
    state = _state(spec)
    metrics, _ = steps.critic_step(state, batch)
    return metrics["critic_loss"], state.critic.get_weights()


def _crossq(spec, batch):
    state = _state(spec, target_critic=None)
    metrics, _ = crossq_step(state, batch)
    return metrics["critic_loss"], state.critic.get_weights()


def _actor(spec, batch):
    state = _state(spec)
    metrics, _ = steps.actor_step(state, batch)
    return metrics["actor_loss"], state.actor.get_weights()


def _alpha(spec, batch):
    state = _state(spec)
    metrics = steps.alpha_step(state, batch, 3.0 + batch.reward)
    return metrics["alpha_loss"], [state.log_alpha.numpy()]


STEPS = [_critic, _crossq, _actor, _alpha]
"""f(spec, batch) takes a step of a new state; returns its loss, and the weights after it."""


def _same(first, second) -> bool:
    return all((a == b).all() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("take", STEPS)
def test_weights_of_one_change_nothing(spec, take):
    loss, weights = take(spec, _batch())
    weighted_loss, weighted_weights = take(spec, _weighted([1.0] * ROWS))
    assert loss == weighted_loss
    assert _same(weights, weighted_weights)


@pytest.mark.parametrize("take", STEPS)
def test_a_weight_multiplies_the_loss_of_its_row(spec, take):
    """The loss is the mean of all six weighted losses, and rows of weight 0 move nothing."""
    weight = [0.5, 1, 1, 0.5, 0, 0]
    loss, weights = take(spec, _weighted(weight))
    _, other_rows_of_weight_0 = take(spec, _weighted(weight, changed=7.0))
    _, other_rows_of_weight_1 = take(spec, _weighted([1] * ROWS, changed=7.0))
    assert _same(weights, other_rows_of_weight_0)
    assert not _same(weights, other_rows_of_weight_1)
    single = [float(take(spec, _weighted(np.eye(ROWS)[row]))[0]) * ROWS for row in range(ROWS)]
    expected = float(np.mean(np.multiply(weight, single)))
    assert float(loss) == pytest.approx(expected, rel=1e-5, abs=1e-6)
