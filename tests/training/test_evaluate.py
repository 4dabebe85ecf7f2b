"""Evaluation: episodes played with a given acting function."""

import numpy as np
import pytest

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.training.evaluate import play, summarize
from sac_tf.types import Evaluation


def test_evaluation_counts_the_first_episode_of_each_copy():
    environment = EnvironmentFactory("tests.toy:Counter-v0").make(3)
    episodes = play(environment, lambda _: np.float32([[1.0], [-1.0], [0.2]]), seed=0)
    assert [(episode.copy, episode.length) for episode in episodes] == [(0, 5), (1, 5), (2, 5)]
    np.testing.assert_allclose([e.total_reward for e in episodes], [2.5, -10.0, -2.5], rtol=1e-5)
    assert summarize(episodes) == Evaluation(
        pytest.approx(-10 / 3), pytest.approx(np.std([2.5, -10, -2.5])), 3
    )
