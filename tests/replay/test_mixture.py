"""The mixture of sources: exact shares in every batch and for every replica, and TD errors that go
back to the source of their rows."""

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay.mixture import Mixture
from sac_tf.replay.prioritized import KEY, UNIFORM_WEIGHT
from sac_tf.types import WEIGHT
from tests.sources import numbered_source


def _drawn(mixture, batches, batch_size):
    return tf.function(lambda: mixture.sample(batches, batch_size), autograph=False)()


@pytest.mark.parametrize("replicas", [1, 2])
def test_every_batch_of_every_replica_has_exactly_half_of_each(replicas):
    mixture = Mixture([(numbered_source(0), 0.5), (numbered_source(1000), 0.5)], replicas)
    reward = _drawn(mixture, 20, 8).reward.numpy()
    assert reward.shape == (20, 8)
    for replica in range(replicas):
        share = reward[:, replica::replicas]
        np.testing.assert_array_equal((share < 1000).mean(axis=1), np.full(20, 0.5))
    assert sorted(reward[reward < 1000]) == list(range(80))
    assert sorted(reward[reward >= 1000]) == list(range(1000, 1080))


def test_three_fractions():
    parts = [(numbered_source(0), 0.1), (numbered_source(1000), 0.6), (numbered_source(2000), 0.3)]
    reward = _drawn(Mixture(parts), 3, 10).reward.numpy()
    counts = np.apply_along_axis(np.bincount, 1, (reward // 1000).astype(int))
    np.testing.assert_array_equal(counts, [[1, 6, 3]] * 3)


def test_td_errors_go_back_to_the_source_of_their_rows():
    sources = [numbered_source(0), numbered_source(1000)]
    mixture = Mixture([(sources[0], 0.25), (sources[1], 0.75)])

    @tf.function(autograph=False)
    def learn():
        batches = mixture.sample(2, 4)
        mixture.update_priorities(batches, batches.reward + 0.5)

    learn()
    for source, rewards in zip(
        sources, ([[0], [1]], [[1000, 1001, 1002], [1003, 1004, 1005]]), strict=True
    ):
        ((reward, td_error),) = source.learned
        np.testing.assert_array_equal(reward, rewards)
        np.testing.assert_array_equal(td_error, np.add(rewards, 0.5))


def test_other_rows_have_the_weight_of_uniform_draws():
    prioritized = numbered_source(0, weight=0.25, uniform_weight=0.5, key=7)
    mixture = Mixture([(prioritized, 0.5), (numbered_source(1000), 0.5)])
    extras = _drawn(mixture, 1, 4).extras
    np.testing.assert_array_equal(extras[WEIGHT], [[0.25, 0.25, 0.5, 0.5]])
    assert extras.keys() == {WEIGHT, UNIFORM_WEIGHT, KEY}


def test_another_extra_is_needed_of_all_sources():
    mixture = Mixture([(numbered_source(0, return_to_go=1), 0.5), (numbered_source(1000), 0.5)])
    with pytest.raises(KeyError, match="return_to_go"):
        _drawn(mixture, 1, 4)


@pytest.mark.parametrize(
    ("fractions", "replicas", "words"),
    [
        ((0.5, 0.25), 1, r"above 0 and add up to 1, got 0\.5, 0\.25"),
        ((1.5, -0.5), 1, "above 0 and add up to 1"),
        ((0.3, 0.7), 1, r"train.batch_size=8 cannot be mixed in the fractions 3/10, 7/10 .* of 10"),
        ((0.25, 0.75), 4, "on 4 device.*; set it to a multiple of 16"),
    ],
)
def test_fractions_that_cannot_be_mixed_are_refused(fractions, replicas, words):
    with pytest.raises(ConfigurationError, match=words):
        _drawn(Mixture([(numbered_source(0), x) for x in fractions], replicas), 1, 8)
