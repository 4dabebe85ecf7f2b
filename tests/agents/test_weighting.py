"""Importance weights: the weight of a row multiplies its loss in every step."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac import steps
from sac_tf.agents.sac.crossq import crossq_step
from sac_tf.agents.sac.state import SacState
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.types import WEIGHT, Transition

ROWS = 6


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


def _weighted(weight, changed=0.0) -> Transition:
    return _batch(changed)._replace(extras={WEIGHT: tf.constant(weight, tf.float32)})


def _critic(state, batch):
    metrics, _ = steps.critic_step(state, batch)
    return metrics["critic_loss"], state.critics.model.get_weights()


def _crossq(state, batch):
    metrics, _ = crossq_step(state, batch)
    return metrics["critic_loss"], state.critics.model.get_weights()


def _actor(state, batch):
    metrics, _ = steps.actor_step(state, batch)
    return metrics["actor_loss"], state.policy.network.get_weights()


def _alpha(state, batch):
    metrics = steps.alpha_step(state, batch, 3.0 + batch.reward)
    return metrics["alpha_loss"], [state.temperature.model.parameter.numpy()]


@pytest.fixture(params=[_critic, _crossq, _actor, _alpha])
def take(request, spec, tmp_path):
    """Returns a function of a batch that takes a step, always from the same state; it returns the
    loss, and the weights after the step."""
    settings = {
        "policy": functools.partial(
            make_policy, network=functools.partial(make_actor, hidden_units=(8,))
        ),
        "critic": functools.partial(make_critic, hidden_units=(8,)),
    }
    if request.param is _crossq:
        settings["target_critic"] = None
    state = SacState(spec, 0, 0.99, **settings)
    checkpoint = tf.train.Checkpoint(state=state)
    path = checkpoint.write(str(tmp_path / "state"))

    def take_step(batch):
        checkpoint.read(path).assert_consumed()
        return request.param(state, batch)

    return take_step


def _same(first, second) -> bool:
    return all((a == b).all() for a, b in zip(first, second, strict=True))


def test_weights_of_one_change_nothing(take):
    loss, weights = take(_batch())
    weighted_loss, weighted_weights = take(_weighted([1.0] * ROWS))
    assert loss == weighted_loss
    assert _same(weights, weighted_weights)


def test_a_weight_multiplies_the_loss_of_its_row(take):
    """The loss is the mean of all six weighted losses, and rows of weight 0 move nothing."""
    weight = [0.5, 1, 1, 0.5, 0, 0]
    loss, weights = take(_weighted(weight))
    _, other_rows_of_weight_0 = take(_weighted(weight, changed=7.0))
    _, other_rows_of_weight_1 = take(_weighted([1] * ROWS, changed=7.0))
    assert _same(weights, other_rows_of_weight_0)
    assert not _same(weights, other_rows_of_weight_1)
    single = [float(take(_weighted(np.eye(ROWS)[row]))[0]) * ROWS for row in range(ROWS)]
    expected = float(np.mean(np.multiply(weight, single)))
    assert float(loss) == pytest.approx(expected, rel=1e-5, abs=1e-6)
