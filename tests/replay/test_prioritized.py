"""Prioritized replay: numbers worked by hand, and what Reverb itself reports of each row."""

import copy
import functools
import weakref

import numpy as np
import pytest
import reverb
import tensorflow as tf

from sac_tf.errors import ConfigurationError, RunError
from sac_tf.replay.prioritized import KEY, UNIFORM_WEIGHT, PrioritizedSampler, importance_weights
from sac_tf.replay.resident import ResidentSampler
from sac_tf.replay.samplers import ReverbSampler
from sac_tf.replay.tables import Prioritized
from sac_tf.runs.runtime import free_closed_runs
from sac_tf.types import RETURN_TO_GO, WEIGHT
from tests.replay.numbered import CAPACITY, EXPECTED_STEPS, add_numbered, numbered, sampled_numbers
from tests.sources import sample_rows, update_priorities


@pytest.fixture
def make_prioritized(make_replay):
    """Returns a function that makes a small prioritized replay with `rows` transitions."""

    def make(rows=0, restore_from=None, restored=0, exponent=0.6, windows=None, **settings):
        sampler = functools.partial(PrioritizedSampler, **settings)
        selector = functools.partial(Prioritized, priority_exponent=exponent)
        replay = make_replay(restore_from, restored, sampler, selector=selector, windows=windows)
        if rows:
            add_numbered(replay, 0, rows)
            replay.end_episodes()
        return replay

    return make


def _infos(replay) -> dict[int, reverb.SampleInfo]:
    """Returns Reverb's present information on each row, by the number of the row."""
    transition, info = tf.function(
        lambda: replay._reader.sampler._source.draw(3000), autograph=False
    )()
    infos = [
        reverb.SampleInfo(*values)
        for values in zip(*(column.numpy() for column in info), strict=True)
    ]
    found = dict(zip(transition.reward.numpy().astype(int).tolist(), infos, strict=True))
    assert len(found) == replay.size
    return found


def _priorities(replay) -> dict[int, float]:
    return {number: info.priority for number, info in _infos(replay).items()}


def _update(replay, errors: dict[int, float]) -> None:
    """Updates the priorities of rows, given a TD error for each number."""
    infos = _infos(replay)
    key = tf.constant([infos[number].key for number in errors], tf.uint64)
    rows = sample_rows(replay, len(errors))._replace(extras={KEY: key})
    update_priorities(replay, rows, tf.constant(list(errors.values()), tf.float32))
    replay.publish()


@pytest.mark.parametrize(
    ("beta", "weights"),
    [(1.0, [0.25, 0.5, 1, 1]), (0.5, [0.5, 0.5**0.5, 1, 1]), (0.0, [1, 1, 1, 1])],
)
def test_importance_weights_of_four_rows(beta, weights):
    """N P = 2, 1, 1/2, 1/2, so (N P)^-1 = 1/2, 1, 2, 2, and the largest is 2."""
    probability = tf.constant([0.5, 0.25, 0.125, 0.125], tf.float64)
    size = tf.fill([4], tf.constant(4, tf.int64))
    given, uniform = importance_weights(probability, size, tf.constant(beta, tf.float64))
    assert given.dtype == uniform.dtype == tf.float32
    np.testing.assert_allclose(given, weights, rtol=1e-6)
    np.testing.assert_allclose(uniform, [weights[1]] * 4, rtol=1e-6)  # the second has N P = 1


def test_priorities_are_td_errors_and_new_ones_are_the_largest(make_prioritized):
    replay = make_prioritized(rows=4, epsilon=0.5)
    assert set(_priorities(replay).values()) == {1.0}
    _update(replay, {0: 2.0, 1: 0.0, 2: 6.5, 3: np.nan})  # the learner stops the run at a NaN
    add_numbered(replay, 4, 5)
    replay.end_episodes()
    _update(replay, {2: 0.5})
    add_numbered(replay, 5, 6)
    replay.end_episodes()
    infos = _infos(replay)
    priorities = {number: info.priority for number, info in infos.items()}
    assert priorities == {0: 2.5, 1: 0.5, 2: 1, 3: 1, 4: 7, 5: 7}
    weights = np.array([2.5, 0.5, 1, 1, 7, 7]) ** 0.6
    np.testing.assert_allclose(
        [infos[i].probability for i in range(6)], weights / weights.sum(), rtol=1e-6
    )


def test_an_update_keeps_no_sampler_alive(make_prioritized):
    """TensorFlow never frees a Python function that a graph calls."""
    replay = make_prioritized(rows=4)
    sampler = copy.copy(replay._reader.sampler)
    tf.function(sampler.update_priorities)(sample_rows(replay, 4), tf.ones(4))
    replay.publish()
    kept = weakref.ref(sampler)
    del sampler
    free_closed_runs()
    assert kept() is None


def test_frequencies_and_weights_of_sampled_rows(make_prioritized):
    """Priorities 1, 4, 9, 16, whose square roots are 1, 2, 3, 4; frequencies have a standard
    deviation of at most 0.0022."""
    replay = make_prioritized(rows=4, exponent=0.5, epsilon=1.0, initial_beta=1.0)
    _update(replay, {0: 0.0, 1: 3.0, 2: 8.0, 3: 15.0})
    batch = sample_rows(replay, 50_000)
    counts = np.bincount(batch.reward.numpy().astype(int), minlength=4)
    np.testing.assert_allclose(counts / 50_000, [0.1, 0.2, 0.3, 0.4], atol=0.01)
    np.testing.assert_allclose(batch.extras[WEIGHT], 1 / (1 + batch.reward.numpy()), rtol=1e-6)
    # N P is 0.4 for the first of the four rows, which has the largest weight, and 1 if uniform.
    np.testing.assert_allclose(batch.extras[UNIFORM_WEIGHT], 0.4, rtol=1e-6)


def test_returns_to_go_are_drawn_too(make_prioritized):
    replay = make_prioritized(rows=0, windows={"with_return_to_go": True})
    for number in range(4):
        replay.add(numbered(number), number + 1, ended=[0] if number == 3 else [])
    replay.publish()
    assert RETURN_TO_GO in sample_rows(replay, 4).extras


def test_beta_grows_to_1_with_the_steps_of_the_run(make_prioritized):
    replay = make_prioritized(initial_beta=0.4)
    betas = []
    for steps in (0, EXPECTED_STEPS // 2, EXPECTED_STEPS, 2 * EXPECTED_STEPS):
        replay._reader.sampler.synchronize(rows=0, transitions=steps)
        betas.append(float(replay._reader.sampler._beta))
    np.testing.assert_allclose(betas, [0.4, 0.7, 1.0, 1.0])


def test_a_checkpoint_restores_priorities_and_beta(make_prioritized, tmp_path):
    before = make_prioritized(rows=30)
    _update(before, {number: 1 + number / 2 for number in range(30)})
    before.save(tmp_path / "saved")
    after = make_prioritized(restore_from=tmp_path / "saved", restored=30)
    for replay in (before, after):
        add_numbered(replay, 30, 31)
        replay.end_episodes()
    priorities = _priorities(before)
    assert priorities == _priorities(after)
    assert priorities[30] == priorities[29] == pytest.approx(15.5)
    betas = [float(replay._reader.sampler._beta) for replay in (before, after)]
    assert betas[0] == betas[1] == pytest.approx(0.4 + 0.6 * 31 / EXPECTED_STEPS)


def test_td_errors_of_removed_rows_change_nothing(make_prioritized):
    replay = make_prioritized(rows=1)
    batch = sample_rows(replay, 1)
    add_numbered(replay, 1, CAPACITY + 1)
    replay.end_episodes()
    update_priorities(replay, batch, tf.constant([9.0]))
    replay.publish()
    assert set(_priorities(replay).values()) == {1.0}
    assert set(sampled_numbers(replay)) == set(range(1, CAPACITY + 1))


def test_priorities_that_cannot_be_written_raise(make_prioritized):
    replay = make_prioritized(rows=4)
    replay._reader.sampler._client = None
    update_priorities(replay, sample_rows(replay, 4), tf.ones([4]))
    with pytest.raises(RunError, match="Reverb did not take new priorities"):
        replay.publish()


@pytest.mark.parametrize("sampler", [ResidentSampler, ReverbSampler])
def test_priorities_that_are_never_written_raise(make_replay, sampler):
    with pytest.raises(
        ConfigurationError, match=f"which {sampler.__name__} never writes; use BatchReader.sampler="
    ):
        make_replay(sampler=sampler, selector=Prioritized)


def test_priorities_that_are_never_read_raise(make_replay):
    with pytest.raises(
        ConfigurationError,
        match="PrioritizedSampler needs a table .* use tables.sampler=@Prior",
    ):
        make_replay(sampler=PrioritizedSampler)


@pytest.mark.parametrize("settings", [{"initial_beta": 1.5}, {"epsilon": 0}])
def test_a_number_out_of_range_raises(make_prioritized, settings):
    with pytest.raises(
        ConfigurationError, match=f"PrioritizedSampler.{next(iter(settings))} must be"
    ):
        make_prioritized(**settings)


def test_an_exponent_out_of_range_raises(make_prioritized):
    with pytest.raises(ConfigurationError, match="Prioritized.priority_exponent must be"):
        make_prioritized(exponent=-1)
