"""Reward scales: numbers worked by hand, NumPy as oracle, and checkpoints."""

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay.rewards import FixedRewardScale, RunningRewardScale
from sac_tf.types import RETURN_TO_GO, WEIGHT, Transition


def _step(*rewards, discounts=None):
    """Returns one joint step of an environment for each reward."""
    discounts = np.ones(len(rewards)) if discounts is None else discounts
    return Transition(None, None, np.float32(rewards), np.float32(discounts), None)


def _scale_of(rewards):
    return float(rewards(None, Transition(None, None, tf.constant([1.0]), None, None)).reward[0])


def _running_scale_of_a_half():
    rewards = RunningRewardScale(0.99, epsilon=1e-12)
    rewards.update(_step(1, 5), ())  # their standard deviation is 2
    return rewards


def test_fixed_scale_multiplies_rewards():
    batch = Transition(None, None, tf.constant([1.0, -2.0]), None, None)
    np.testing.assert_array_equal(FixedRewardScale(0.99, 2.5)(None, batch).reward, [2.5, -5.0])
    assert FixedRewardScale(0.99)(None, batch) is batch


@pytest.mark.parametrize("make", [lambda: FixedRewardScale(0.99, 0.5), _running_scale_of_a_half])
def test_returns_to_go_are_scaled_as_rewards(make):
    """Cal-QL compares them with Q values, which are in the units of the scaled rewards."""
    extras = {RETURN_TO_GO: tf.constant([50.0, -4.0]), WEIGHT: tf.constant([2.0, 3.0])}
    scaled = make()(None, Transition(None, None, tf.constant([1.0, 8.0]), None, None, extras))
    np.testing.assert_allclose(scaled.reward, [0.5, 4])
    np.testing.assert_allclose(scaled.extras[RETURN_TO_GO], [25, -2])
    np.testing.assert_array_equal(scaled.extras[WEIGHT], [2, 3])


def test_running_scale_by_hand():
    """The discount is 0.5. Returns of the first environment: 1, 2 + 0.5, then after a termination
    4. Of the second: 3, 0 + 1.5, 1 + 0.75."""
    rewards = RunningRewardScale(0.5, epsilon=1e-9)
    assert _scale_of(rewards) == 1
    rewards.update(_step(1, 3), ())
    rewards.update(_step(2, 0, discounts=[0, 1]), ())
    rewards.update(_step(4, 1), ())
    assert _scale_of(rewards) == pytest.approx(1 / np.std([1, 2.5, 4, 3, 1.5, 1.75]), rel=1e-5)


def test_running_scale_of_a_long_run_against_numpy():
    rewards = RunningRewardScale(0.9)
    generator = np.random.default_rng(0)
    carried = np.zeros(3)
    returns = []
    for _ in range(200):
        reward = generator.normal(2, 5, 3)
        discount = generator.random(3) > 0.1
        rewards.update(_step(*reward, discounts=discount), ())
        returns.append(carried + np.float32(reward))
        carried = 0.9 * returns[-1] * discount
    assert _scale_of(rewards) == pytest.approx(1 / np.std(returns), rel=1e-6)


def test_largest_return_bounds_the_scale_by_hand():
    """The returns 1, 0.5 - 9 and, after its termination, 2 have a standard deviation of 4.81 and a
    largest absolute value of 8.5."""
    for largest, scale in ((1.0, 1 / 8.5), (2.0, 1 / np.std([1, -8.5, 2]))):
        rewards = RunningRewardScale(0.5, epsilon=1e-9, largest_return=largest)
        rewards.update(_step(1), ())
        rewards.update(_step(-9, discounts=[0]), ())
        rewards.update(_step(2), ())
        assert _scale_of(rewards) == pytest.approx(scale, rel=1e-5)


@pytest.mark.parametrize(
    ("ends", "returns"), [(False, [1, 2.5, 5.25, 3, 1.5, 1.75]), (True, [1, 2.5, 4, 3, 1.5, 1.75])]
)
def test_a_time_limit_ends_the_return_of_one_environment(ends, returns):
    """The discount is 0.5. In the second step a time limit ends the episode of the first of two
    environments, whose return is 4 + 0.5 * 2.5 in the third step if it is carried."""
    rewards = RunningRewardScale(0.5, epsilon=1e-9, ends_at_time_limits=ends)
    rewards.update(_step(1, 3), ())
    rewards.update(_step(2, 0), [0])
    rewards.update(_step(4, 1), ())
    assert _scale_of(rewards) == pytest.approx(1 / np.std(returns), rel=1e-5)


@pytest.mark.parametrize("largest", [None, 0.1])
def test_a_restored_scale_resumes_like_the_saved_one(tmp_path, largest):
    """Episodes begin anew after a checkpoint, so neither carries a return over it."""
    saved = RunningRewardScale(0.99, largest_return=largest)
    restored = RunningRewardScale(0.99, largest_return=largest)
    for reward in (1.0, 5.0, -2.0):
        saved.update(_step(reward), ())
    saved.end_episodes()
    saved.save(tmp_path)
    restored.restore(tmp_path)
    assert _scale_of(restored) == _scale_of(saved) != 1
    for rewards in (saved, restored):
        rewards.update(_step(7.0), ())
    assert _scale_of(restored) == _scale_of(saved)


def test_a_scale_saved_before_the_first_row_is_1(tmp_path):
    rewards = RunningRewardScale(0.99)
    rewards.save(tmp_path)
    rewards.restore(tmp_path)
    assert _scale_of(rewards) == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: FixedRewardScale(0.99, 0),
            "FixedRewardScale.scale must be a number above 0, got 0",
        ),
        (
            lambda: RunningRewardScale(0.99, epsilon=0),
            "RunningRewardScale.epsilon must be a number above 0, got 0",
        ),
        (
            lambda: RunningRewardScale(0.99, largest_return=0),
            "RunningRewardScale.largest_return must be a number above 0 or None, got 0",
        ),
    ],
)
def test_a_number_out_of_range_raises(make, words):
    with pytest.raises(ConfigurationError, match=words):
        make()
