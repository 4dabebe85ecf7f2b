"""VICE: its losses against NumPy, its rewards, and what an update changes."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.agent import Agent
from sac_tf.agents.bc import BcState
from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac.agent import sac
from sac_tf.agents.update import make_update
from sac_tf.agents.vice import agent as vice_agent
from sac_tf.agents.vice import rewards
from sac_tf.agents.vice.agent import Goals, vice, vice_step
from sac_tf.agents.vice.losses import gradient_penalty, mixed_losses
from sac_tf.errors import ConfigurationError
from sac_tf.networks.classifier import make_classifier
from sac_tf.networks.encoders import encoded_inputs
from sac_tf.types import EnvironmentSpec, Transition
from tests.images import B, batch_of, observation_of, spec_of, state_of
from tests.sources import Given

FEATURES = np.float32([[1, 0], [0.5, -1], [-1, 2], [0, 1]])
HIDDEN = np.float32([[0.5, -1, 2], [1, 0.3, -0.2]])
OUTPUT = np.float32([1.5, -2, 0.5])


def _head(features):
    """A network of one hidden layer."""
    return tf.linalg.matvec(tf.tanh(features @ HIDDEN), OUTPUT)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_mixed_losses_are_those_of_numpy():
    share, order = 0.75, [2, 0, 3, 1]
    labels = np.float32([0.9, 0.9, 0.1, 0.1])
    mixed = share * FEATURES + (1 - share) * FEATURES[order]
    found = _sigmoid(np.tanh(mixed @ HIDDEN) @ OUTPUT)
    target = share * labels + (1 - share) * labels[order]  # the cross entropy is linear in it
    expected = -target * np.log(found) - (1 - target) * np.log(1 - found)
    losses = mixed_losses(_head, FEATURES, labels, tf.constant(share), tf.constant(order))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_the_penalty_is_that_of_numpy_and_of_the_head_alone():
    """d logit / d x = W (v * (1 - tanh^2)). With the logit 3 x + 4 y, its norm is 5."""
    hidden = np.tanh(FEATURES @ HIDDEN)
    norms = np.linalg.norm((OUTPUT * (1 - hidden**2)) @ HIDDEN.T, axis=1)
    found = gradient_penalty(_head, tf.constant(FEATURES))
    np.testing.assert_allclose(found, (norms - 1) ** 2, rtol=1e-4)
    weights = tf.Variable([3.0, 4.0])
    scale = tf.Variable(1.0)
    with tf.GradientTape(persistent=True) as tape:
        values = gradient_penalty(lambda x: tf.linalg.matvec(x, weights), tf.constant(FEATURES))
        of_scaled = gradient_penalty(_head, scale * FEATURES)
    np.testing.assert_allclose(values, [16.0] * 4, rtol=1e-5)
    # d (|w| - 1)^2 / d w = 2 (|w| - 1) w / |w|, in each of four rows.
    expected = [4 * 8 * 0.6, 4 * 8 * 0.8]
    np.testing.assert_allclose(tape.gradient(values, weights), expected, rtol=1e-5)
    assert tape.gradient(of_scaled, scale) is None


def test_the_penalty_of_a_flat_classifier_has_a_gradient():
    weights = tf.Variable([0.0, 0.0])
    with tf.GradientTape() as tape:
        values = gradient_penalty(lambda x: tf.linalg.matvec(x, weights), tf.constant(FEATURES))
    np.testing.assert_allclose(values, 1.0, rtol=1e-5)
    assert np.isfinite(tape.gradient(values, weights)).all()


def test_forms_of_the_reward():
    """Probabilities of 3/4, 1/2 and 1/4."""
    logit = tf.math.log([3.0, 1.0, 1 / 3])
    for form, expected in (
        (rewards.log_probability, np.log([0.75, 0.5, 0.25])),
        (rewards.probability, [0.75, 0.5, 0.25]),
        (rewards.log_odds, np.log([3, 1, 1 / 3])),
        (functools.partial(rewards.success, threshold=0.6), [1, 0, 0]),
    ):
        reward, is_over = form(logit)
        np.testing.assert_allclose(reward, expected, rtol=1e-5, atol=1e-6)
        is_threshold = isinstance(form, functools.partial)
        assert is_over.numpy().tolist() == [is_threshold, False, False]


class _State(tf.Module):
    """What `vice_reward` needs."""

    def __init__(self, model):
        self.classifier = tf.Module()
        self.classifier.model = model


def test_the_reward_is_of_the_next_observation():
    batch = Transition(
        tf.zeros([3, 1]), None, tf.zeros([3]), tf.ones([3]), tf.constant([[2.0], [-2.0], [0.5]])
    )
    changed = rewards.vice_reward(_State(lambda x: x[:, 0]), batch, form=rewards.success)
    assert changed.reward.numpy().tolist() == [1, 0, 1]
    assert changed.discount.numpy().tolist() == [0, 1, 0]
    assert changed.extras[rewards.REACHED] is batch.next_observation


SPEC = spec_of((32, 32, 1), (32, 32, 1), vector=2)
INPUTS = {"image_features": 4, "vector_features": 3}
CONVOLUTIONS = {"filters": (4, 4), "strides": (2, 2)}


@pytest.fixture
def agent(monkeypatch):
    """VICE of a small SAC on two cameras and a vector; its goals are random images."""
    goals = observation_of(SPEC, seed=7)
    monkeypatch.setattr(vice_agent, "_goal_observations", lambda *_: goals)
    make = functools.partial(encoded_inputs, **INPUTS)
    network = functools.partial(make_classifier, hidden_units=(8,), inputs=make)
    base = sac(state=lambda spec, *_: state_of(spec, **INPUTS))
    return functools.partial(vice, base, "given", network=network)


def _parts(state):
    models = {
        "policy": state.policy,
        "critics": state.critics.model,
        "temperature": state.temperature.model,
        "encoder": state.classifier.model.encoder,
        "head": state.classifier.model.head,
    }
    return {
        name: [variable.numpy() for variable in model.trainable_variables]
        for name, model in models.items()
    }


def _run(agent, state):
    """Takes an update; returns its metrics."""
    batch = batch_of(SPEC)
    rows = Given(
        lambda number: tf.nest.map_structure(lambda x: tf.repeat(x, number // B, 0), batch)
    )
    update = make_update(state, rows, B, agent.steps, agent.transforms, updates_per_call=1)
    return update.run()


def test_an_update_changes_every_part(agent):
    made = agent()
    state = made.make_state(SPEC, 0, 0.9)
    before = _parts(state)
    metrics = _run(made, state)
    for name, variables in _parts(state).items():
        pairs = list(zip(variables, before[name], strict=True))
        changed = [not np.array_equal(new, old) for new, old in pairs]
        assert changed and all(changed), name
    assert {"classifier_loss", "learned_reward", "goal_probability"} <= set(metrics)
    assert metrics["learned_reward"] < 0


_SHAPES = ((2,), (1,), (), (), (2,))
"""Of an observation, an action, a reward, a discount and a next observation."""


def _no_steps(state, batches):
    """The steps of an agent that learns nothing itself."""
    del state
    return {}, tf.stack([batch.reward for batch in batches])


def test_the_classifier_steps_at_its_period_until_it_is_frozen(monkeypatch):
    """In three calls of four updates: two in each, or all of the first call."""
    monkeypatch.setattr(vice_agent, "_goal_observations", lambda *_: np.zeros([3, 2], np.float32))
    spec = EnvironmentSpec.of_arrays(tf.TensorSpec([2], name="x"), *np.float32([[-1], [1]]))
    rows = Given(lambda number: Transition(*[tf.zeros([number, *shape]) for shape in _SHAPES]))
    for settings, number in (({"period": 2}, 6), ({"period": 1, "frozen_from": 4}, 4)):
        base = Agent(make_policy, functools.partial(BcState, policy=make_policy), _no_steps)
        made = vice(base, "given", **settings)
        state = made.make_state(spec, 0, 0.9)
        update = make_update(state, rows, 4, made.steps, made.transforms, updates_per_call=4)
        for _ in range(3):
            update.run()
        assert int(state.classifier.optimizer.iterations) == number


@pytest.mark.parametrize(
    ("period", "words"),
    [
        (0, "vice.period must be an integer of at least 1"),
        (3, "update.updates_per_call=4 must be a multiple of vice.period=3"),
    ],
)
def test_a_period_that_is_no_part_of_a_call_is_refused(agent, period, words):
    with pytest.raises(ConfigurationError, match=words):
        agent(period=period).steps(None, [None] * 4)


def test_two_cameras_are_shifted_alike_in_one_example(agent, monkeypatch):
    """The classifier sees goals, then what was reached; both cameras show the same."""
    made = agent()
    state = made.make_state(SPEC, 0, 0.9)
    image = observation_of(SPEC, seed=3)["camera0"]
    same = {"camera0": image, "camera1": image, "position": observation_of(SPEC)["position"]}
    state.goals = Goals(same)
    shown = []
    features = state.classifier.model.features
    monkeypatch.setattr(
        state.classifier.model,
        "features",
        lambda observation, training: shown.append(observation) or features(observation, training),
    )
    batch = batch_of(SPEC)._replace(extras={rewards.REACHED: same})
    vice_step(state, batch, shift_pixels=4)
    (seen,) = shown
    np.testing.assert_array_equal(seen["camera0"], seen["camera1"])
    assert len(seen["position"]) == 2 * (B // 2)
    assert not np.array_equal(seen["camera0"][0], image[0])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"final_steps": 0}, "vice.final_steps must be an integer of at least 1"),
        ({"frozen_from": -1}, "vice.frozen_from must be an integer of at least 1"),
    ],
)
def test_a_setting_out_of_range_is_refused(agent, settings, words):
    with pytest.raises(ConfigurationError, match=words):
        agent(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"smoothing": 0.5}, "vice_step.smoothing must be a number from 0 to below 0.5, got"),
        ({"mixup": -1.0}, "vice_step.mixup must be a number of at least 0"),
        ({"penalty": -1.0}, "vice_step.penalty must be a number of at least 0"),
    ],
)
def test_a_number_of_the_step_out_of_range_is_refused(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        vice_step(None, None, **settings)
