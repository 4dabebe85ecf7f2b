"""Held-out episodes: which they are, and their metrics against numbers worked by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.replay.columns import Trajectory
from sac_tf.replay.windows import Windows
from sac_tf.training import held_out
from sac_tf.training.held_out import HeldOut, RemainingEpisodes


class Numbered(list):
    name = "numbered"
    rows = 100


def _trajectory(steps, first=0.0):
    observation = np.tile(first + np.arange(steps + 1, dtype=np.float32)[:, None], [1, 3])
    return Trajectory(
        observation,
        np.full([steps, 2], 0.5, np.float32),
        reward=np.full(steps, 2.0, np.float32),
        discount=np.float32([1] * (steps - 1) + [0]),
    )


def test_an_evenly_spaced_share_is_held_out(monkeypatch):
    """Of ten, the fourth, the seventh and the tenth; beyond the largest number of steps, episodes
    are neither learned from nor kept."""
    episodes = Numbered(_trajectory(4, first=number) for number in range(1, 11))
    for largest, kept in ((100, [4, 7, 10]), (5, [4, 7]), (1, [4])):
        monkeypatch.setattr(held_out, "_LARGEST", largest)
        remaining = RemainingEpisodes(episodes, 0.3)
        for _ in range(2):
            learned = [int(episode.observation[0, 0]) for episode in remaining]
            assert learned == [1, 2, 3, 5, 6, 8, 9]
            assert [int(one.observation[0, 0]) for one in remaining.held_out] == kept


class Critic:
    """Q_1 = 10 times the first observation plus the first action; Q_2 is one more."""

    output_shape = (2, None)

    def __init__(self, offset=0.0):
        self._offset = offset

    def __call__(self, inputs):
        observation, action = inputs
        q = 10 * observation[:, 0] + action[:, 0] + self._offset
        return tf.stack([q, q + 1])


def _state(**parts):
    policy = SimpleNamespace(mean_action=lambda observation: 0.1 * observation[:, :2])
    return SimpleNamespace(policy=policy, **parts)


def _rewards(state, batch):
    """Scales rewards by 3."""
    del state
    return batch._replace(reward=3 * batch.reward)


@pytest.fixture
def windows(spec):
    return Windows(spec, 0.5, None)


@pytest.mark.parametrize("rows", [1000, 2])
def test_metrics_equal_numbers_worked_by_hand(windows, monkeypatch, rows):
    """One episode of three steps from 0, all of whose numbers are known; the target critics are
    lower by 4. Also in parts of two rows."""
    monkeypatch.setattr(held_out, "_ROWS", rows)
    critics = SimpleNamespace(model=Critic(), target=Critic(-4.0))
    found = HeldOut(_state(critics=critics), [_trajectory(3)], windows, _rewards)
    # Mean actions 0, 0.1, 0.2 and 0.5 in the data.
    assert found.metrics()["held_out_action_error"] == pytest.approx((0.25 + 0.16 + 0.09) / 3)
    # y = 6 + 0.5 (10 + 0.1 - 4) = 9.05, 6 + 0.5 (20 + 0.2 - 4) = 14.1, and 6 at the end.
    # Q = 0.5 and 1.5, 10.5 and 11.5, 20.5 and 21.5.
    errors = [9.05 - 1.0, 14.1 - 11.0, 21.0 - 6.0]
    assert found.metrics()["held_out_td_error"] == pytest.approx(np.mean(errors))
    assert found.metrics()["held_out_initial_value"] == 0.0
    assert found.metric_names == tuple(found.metrics())


def test_the_smaller_critic_values_first_states(windows):
    critics = SimpleNamespace(model=Critic(), target=None)
    episodes = [_trajectory(2, first=1.0), _trajectory(3, first=2.0)]
    found = HeldOut(_state(critics=critics), episodes, windows, lambda _, batch: batch)
    assert found.metrics()["held_out_initial_value"] == pytest.approx((10.1 + 20.2) / 2)


def test_a_policy_alone_has_an_action_error(windows):
    found = HeldOut(_state(), [_trajectory(3)], windows, lambda _, batch: batch)
    assert found.metric_names == ("held_out_action_error",)
