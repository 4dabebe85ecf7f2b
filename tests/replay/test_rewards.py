import numpy as np
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay.rewards import FixedRewardScale, RunningRewardScale
from sac_tf.types import Transition


def _step(*rewards, discounts=None):
    """One joint step, of as many environments as there are rewards."""
    discounts = np.ones(len(rewards)) if discounts is None else discounts
    return Transition(None, None, np.float32(rewards), np.float32(discounts), None)


def _scale_of(rewards):
    return float(rewards.apply(Transition(None, None, tf.constant([1.0]), None, None)).reward[0])


def test_rewards_times_a_number():
    batch = Transition(None, None, tf.constant([1.0, -2.0]), None, None)
    np.testing.assert_array_equal(FixedRewardScale(2.5).apply(batch).reward, [2.5, -5.0])
    assert FixedRewardScale().apply(batch) is batch


def test_returns_by_hand():
    """gamma 0.5. First environment: 1, 2 + 0.5, then after a termination 4. Second: 3, 0 + 1.5, 1 +
    0.75."""
    rewards = RunningRewardScale(gamma=0.5, epsilon=1e-9)
    assert _scale_of(rewards) == 1
    rewards.observe(_step(1, 3))
    rewards.observe(_step(2, 0, discounts=[0, 1]))
    rewards.observe(_step(4, 1))
    assert _scale_of(rewards) == pytest.approx(1 / np.std([1, 2.5, 4, 3, 1.5, 1.75]), rel=1e-5)


def test_returns_of_a_long_run_against_numpy():
    rewards, generator = RunningRewardScale(gamma=0.9), np.random.default_rng(0)
    carried, returns = np.zeros(3), []
    for _ in range(200):
        reward, discount = generator.normal(2, 5, 3), generator.random(3) > 0.1
        rewards.observe(_step(*reward, discounts=discount))
        returns.append(carried + np.float32(reward))
        carried = 0.9 * returns[-1] * discount
    assert _scale_of(rewards) == pytest.approx(1 / np.std(returns), rel=1e-6)


def test_what_was_saved_goes_on_as_what_was_not(tmp_path):
    """Episodes are fresh after a checkpoint, so no return is carried over it, here or there."""
    whole, restored = RunningRewardScale(), RunningRewardScale()
    for reward in (1.0, 5.0, -2.0):
        whole.observe(_step(reward))
    whole.save(tmp_path)
    restored.restore(tmp_path)
    assert _scale_of(restored) == _scale_of(whole) != 1
    for rewards in (whole, restored):
        rewards.observe(_step(7.0))
    assert _scale_of(restored) == _scale_of(whole)


def test_saved_before_the_first_row_is_a_scale_of_one(tmp_path):
    rewards = RunningRewardScale()
    rewards.save(tmp_path)
    rewards.restore(tmp_path)
    assert _scale_of(rewards) == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FixedRewardScale(0), "FixedRewardScale.scale must be a number above 0, got 0"),
        (
            lambda: RunningRewardScale(gamma=1.5),
            "RunningRewardScale.gamma must be a number from 0 to 1, got 1.5",
        ),
        (
            lambda: RunningRewardScale(epsilon=0),
            "RunningRewardScale.epsilon must be a number above 0, got 0",
        ),
    ],
)
def test_bad_numbers_are_refused(make, words):
    with pytest.raises(ConfigurationError, match=words):
        make()
