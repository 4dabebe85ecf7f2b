"""Weights in the loss of every step: what each row may and may not move."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.sac import steps
from sac_tf.agents.sac.state import TrainState
from sac_tf.agents.weighting import weighted_step
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.replay.prioritized import WeightedTransition
from sac_tf.types import Transition

ROWS = 6


def _state(spec) -> TrainState:
    actor, critic = (
        functools.partial(make, hidden_units=(8,)) for make in (make_actor, make_critic)
    )
    return TrainState(spec, 0, actor=actor, critic=critic)


def _batch(weight, changed=0.0) -> WeightedTransition:
    """Rows of which the last two differ by `changed`."""
    normal = functools.partial(tf.random.stateless_normal, seed=[1, 2])
    last = tf.constant([0.0] * (ROWS - 2) + [changed] * 2)
    rows = Transition(
        normal([ROWS, 3]) + last[:, None],
        tf.tanh(normal([ROWS, 2])),
        last,
        tf.ones([ROWS]),
        normal([ROWS, 3]),
    )
    return WeightedTransition(*rows, tf.constant(weight, tf.float32), tf.range(ROWS))


def _critic(state, batch, step):
    return step(steps.critic_step)(state, batch)[0]["critic_loss"], state.critic.get_weights()


def _actor(state, batch, step):
    return step(steps.actor_step)(state, batch)[0]["actor_loss"], state.actor.get_weights()


def _alpha(state, batch, step):
    metrics = step(steps.alpha_step)(state, batch, 3.0 + batch.reward)
    return metrics["alpha_loss"], [state.log_alpha.numpy()]


def _weighted(step):
    return functools.partial(weighted_step, step=step)


def _same(first, second) -> bool:
    return all((a == b).all() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("take", [_critic, _actor, _alpha])
def test_weights_of_one_change_nothing(spec, take):
    plain = take(_state(spec), _batch([1.0] * ROWS), lambda step: step)
    weighted = take(_state(spec), _batch([1.0] * ROWS), _weighted)
    assert plain[0] == weighted[0] and _same(plain[1], weighted[1])


@pytest.mark.parametrize("take", [_critic, _actor, _alpha])
def test_a_row_counts_by_its_weight(spec, take):
    """A batch whose last two rows weigh nothing is the others' mean times 4 / 6, and learns nothing
    from the two."""
    weight = [0.5, 1, 1, 0.5, 0, 0]
    first, again = (
        take(_state(spec), _batch(weight, changed), _weighted) for changed in (0.0, 7.0)
    )
    assert _same(first[1], again[1]) and not _same(
        first[1], take(_state(spec), _batch([1] * 6, 7), _weighted)[1]
    )
    single = [
        float(take(_state(spec), _batch(np.eye(ROWS)[i]), _weighted)[0]) * ROWS for i in range(ROWS)
    ]
    assert float(first[0]) == pytest.approx(
        float(np.mean(np.multiply(weight, single))), rel=1e-5, abs=1e-6
    )


def test_a_batch_without_weights_is_refused(spec):
    plain = Transition(*_batch([1.0] * ROWS)[:5])
    with pytest.raises(
        ConfigurationError,
        match="no weights in its batch; use BatchReader.sampler=@PrioritizedSampler",
    ):
        weighted_step(_state(spec), plain, step=steps.critic_step)
