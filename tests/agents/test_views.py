"""Views: targets and losses are means over several shifts of the same images."""

import functools

import numpy as np
import pytest

from sac_tf.agents.sac import crossq, losses, steps
from sac_tf.errors import ConfigurationError
from sac_tf.networks.encoders import drq_convolutions
from sac_tf.replay.augmentation import random_shift
from sac_tf.types import NEXT_VIEWS, VIEWS
from tests.images import batch_of, spec_of, state_of

SPEC = spec_of((20, 20, 3), vector=2)
SMALL = functools.partial(drq_convolutions, filters=(4, 4), strides=(2, 2))


@pytest.fixture
def state():
    return state_of(SPEC, convolutions=SMALL)


def _shifted(state, **views):
    state.generator.reset_from_seed(1)
    return random_shift(state, batch_of(SPEC), pixels=2, **views)


def _images(nests):
    return [nest["camera0"].numpy() for nest in nests]


def test_each_view_has_a_shift_of_its_own(state):
    one = _shifted(state)
    several = _shifted(state, target_views=2, loss_views=3)
    assert not one.extras
    for field, name, number in (("observation", VIEWS, 3), ("next_observation", NEXT_VIEWS, 2)):
        first = getattr(several, field)
        views = _images([first, *several.extras[name]])
        np.testing.assert_array_equal(views[0], getattr(one, field)["camera0"])
        assert len(views) == number
        assert len({view.tobytes() for view in views}) == number
        for view in several.extras[name]:
            np.testing.assert_array_equal(view["position"], first["position"])


def test_target_and_loss_are_means_over_the_views(state):
    batch = _shifted(state, target_views=2, loss_views=3)
    found = {}

    def minimize(loss, optimizer, variables):
        found["loss"], found["q"] = loss()
        return {}, found["q"]

    state.generator.reset_from_seed(2)
    steps.critic_step(state, batch, minimize=minimize)
    state.generator.reset_from_seed(2)
    one = batch._replace(extras={})
    targets = [
        steps.td_target(state, one._replace(next_observation=view), state.discount)
        for view in (batch.next_observation, *batch.extras[NEXT_VIEWS])
    ]
    assert np.abs(targets[0] - targets[1]).max() > 1e-4
    y = (targets[0] + targets[1]) / 2
    views = (batch.observation, *batch.extras[VIEWS])
    q = [state.critics.model([view, batch.action]) for view in views]
    expected = sum(losses.critic_loss(one, y) for one in q) / 3
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(found["q"], q[0], rtol=1e-5)


def test_views_go_through_turns_of_several_batches(state):
    """SERL's turn: the actor's batch joins the critics' ones, with their views."""
    batch = _shifted(state, target_views=2, loss_views=2)
    joined = steps.whole_batch([batch, batch])
    assert joined.extras[VIEWS][0]["camera0"].shape[0] == 2 * len(batch.reward)
    shift = functools.partial(random_shift, pixels=2, target_views=2, loss_views=2)
    metrics, td_error = steps.sac_steps(
        state,
        [shift(state, batch_of(SPEC))] * 2,
        steps.alpha_step,
        critic_steps_per_actor_step=2,
        actor_batch=steps.whole_batch,
    )
    assert td_error.shape == (2, len(batch.reward)) and np.isfinite(metrics["critic_loss"])


@pytest.mark.parametrize("views", [{"target_views": 0}, {"loss_views": 1.5}])
def test_numbers_of_views_are_counts(state, views):
    with pytest.raises(ConfigurationError, match="random_shift.*_views must be an integer of at"):
        _shifted(state, **views)


def test_crossq_has_one_view():
    state = state_of(SPEC, convolutions=SMALL, settings={"target_critic": None})
    with pytest.raises(ConfigurationError, match="crossq_step takes one view of each image"):
        crossq.crossq_step(state, _shifted(state, loss_views=2))
