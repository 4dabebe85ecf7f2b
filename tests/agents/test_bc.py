"""Behavior cloning: its losses by hand, and its steps."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.bc import BcState, bc_steps, mean_squared_error, negative_log_likelihood
from sac_tf.agents.policy import make_policy
from sac_tf.agents.trainable import trainables
from sac_tf.errors import ConfigurationError
from sac_tf.leaves import ActionLeaf, ObservationLeaf
from sac_tf.networks.actor import make_actor
from sac_tf.networks.distributions import SingleAction, SquashedGaussian
from sac_tf.networks.encoders import drq_convolutions, encoded_inputs, encoder_of
from sac_tf.replay.augmentation import random_shift
from sac_tf.types import WEIGHT, EnvironmentSpec, Transition

make_state = functools.partial(
    BcState,
    seed=0,
    discount=0.99,
    policy=functools.partial(
        make_policy, network=functools.partial(make_actor, hidden_units=(16,))
    ),
)


def _batch(spec, rows=8, **extras) -> Transition:
    observation = tf.random.stateless_normal([rows, 3], [1, 2])
    action = tf.random.stateless_uniform([rows, spec.action_dimensions], [3, 4], -1, 1)
    zeros = tf.zeros([rows])
    return Transition(observation, action, zeros, zeros, observation, extras)


def test_the_likelihood_is_that_of_the_squashed_gaussian():
    """-log N(atanh a; 0.5, 2) + log(1 - a^2), summed over two dimensions: a = 0, tanh 1."""
    policy = SquashedGaussian(tf.fill([1, 2], 0.5), tf.fill([1, 2], np.log(np.float32(2))))
    action = np.float32([[0, np.tanh(1)]])
    gaussian = 2 * (np.log(2) + np.log(2 * np.pi) / 2 + 0.25**2 / 2)
    squashed = np.log(1 - np.tanh(1) ** 2)
    loss = negative_log_likelihood(policy, tf.constant(action))
    np.testing.assert_allclose(loss, [gaussian + squashed], rtol=1e-5)


@pytest.mark.parametrize("epsilon", [1e-3, 0.1])
def test_actions_at_the_bounds_count_as_almost_there(epsilon):
    policy = SquashedGaussian(tf.zeros([2, 1]), tf.zeros([2, 1]))
    bounds = negative_log_likelihood(policy, tf.constant([[-1.0], [1.0]]), epsilon=epsilon)
    inside = negative_log_likelihood(policy, tf.constant([[epsilon - 1], [1 - epsilon]]), epsilon)
    np.testing.assert_allclose(bounds, inside)
    assert np.isfinite(bounds).all()


def test_the_error_is_the_mean_over_dimensions():
    policy = SquashedGaussian(tf.atanh([[0.5, -0.5]]), tf.zeros([1, 2]))
    error = mean_squared_error(policy, tf.constant([[1.0, 0.0]]))
    np.testing.assert_allclose(error, [(0.25 + 0.25) / 2], rtol=1e-6)


@pytest.mark.parametrize("epsilon", [0.0, 1.0, "1"])
def test_an_epsilon_out_of_range_is_refused(epsilon):
    with pytest.raises(ConfigurationError, match="negative_log_likelihood.epsilon must be a num"):
        negative_log_likelihood(None, None, epsilon)


def test_a_policy_without_a_density_is_refused():
    with pytest.raises(ConfigurationError, match="bc_steps.loss=@mean_squared_error"):
        negative_log_likelihood(SingleAction(tf.zeros([1, 1])), tf.zeros([1, 1]))


def test_a_state_has_a_policy_only(spec):
    state = make_state(spec)
    assert list(trainables(state)) == ["actor"] and state.actor.target is None
    assert {type(child).__name__ for child in vars(state).values()} >= {"Policy", "Trainable"}


def test_a_step_for_each_batch_and_a_loss_for_each_row(spec):
    state = make_state(spec)
    batches = [_batch(spec), _batch(spec)._replace(action=tf.zeros([8, 2]))]
    metrics, losses = bc_steps(state, batches, loss=mean_squared_error)
    assert state.actor.optimizer.iterations == 2 and losses.shape == (2, 8)
    assert sorted(metrics) == ["actor_gradient_norm", "actor_loss"]
    np.testing.assert_allclose(metrics["actor_loss"], tf.reduce_mean(losses[1]))


def test_importance_weights_multiply_the_loss(spec):
    weight = tf.constant([0.0] * 7 + [8.0])
    metrics, losses = bc_steps(make_state(spec), [_batch(spec, **{WEIGHT: weight})])
    np.testing.assert_allclose(metrics["actor_loss"], losses[0, 7], rtol=1e-5)


@pytest.mark.parametrize("views", [1, 2])
def test_the_encoder_of_images_is_trained(views):
    convolutions = functools.partial(drq_convolutions, filters=(4,), strides=(2,))
    inputs = functools.partial(encoded_inputs, convolutions=convolutions, image_features=8)
    network = functools.partial(make_actor, hidden_units=(16,), inputs=inputs)
    spec = EnvironmentSpec(
        (ObservationLeaf("observation", (), (16, 16, 3), "uint8"),),
        (ActionLeaf("action", (), (1,), "float32", (-1.0,), (1.0,)),),
    )
    state = make_state(spec, policy=functools.partial(make_policy, network=network))
    image = tf.cast(tf.random.stateless_uniform([8, 16, 16, 3], [1, 2], 0, 255), tf.uint8)
    zeros = tf.zeros([8])
    batch = Transition(image, tf.random.stateless_uniform([8, 1], [3, 4]), zeros, zeros, image)
    encoder = encoder_of(state.policy.network).trainable_variables
    before = [variable.numpy() for variable in encoder]
    shift = functools.partial(random_shift, pixels=2, loss_views=views)
    bc_steps(state, [shift(state, batch)])
    assert len(encoder) == 2
    assert all((old != new.numpy()).any() for old, new in zip(before, encoder, strict=True))
