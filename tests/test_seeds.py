"""Seeds: independent streams of random numbers from one seed."""

import itertools

import numpy as np
import tensorflow as tf

from sac_tf import seeds


def test_one_seed_determines_independent_seeds():
    first = seeds.independent_seeds(3, 5)
    assert first == seeds.independent_seeds(3, 5)
    assert first[:2] == seeds.independent_seeds(3, 2)
    assert len({*first, *seeds.independent_seeds(4, 5)}) == 10


def test_layers_get_different_repeatable_seeds():
    first = list(itertools.islice(seeds.initializer_seeds(3), 100))
    assert first == list(itertools.islice(seeds.initializer_seeds(3), 100))
    assert len(set(first)) == 100 and all(0 <= seed < 2**31 for seed in first)
    assert first[0] != next(seeds.initializer_seeds(4))


def test_a_seed_depends_on_run_stream_and_step():
    settings = list(itertools.product((0, 1), (0, 1, 2), (0, 1, 1_000_000)))
    found = [seeds.seed_at_step(*setting) for setting in settings]
    assert found == [seeds.seed_at_step(*setting) for setting in settings]
    assert len(set(found)) == len(settings)
    assert all(0 <= seed < 2**31 for seed in found)  # Gymnasium takes no larger ones


def test_a_generator_draws_a_new_seed_each_time():
    generator = tf.random.Generator.from_seed(1)
    first, second = seeds.draw_seed(generator).numpy(), seeds.draw_seed(generator).numpy()
    again = seeds.draw_seed(tf.random.Generator.from_seed(1)).numpy()
    assert first.shape == (2,) and first.dtype == np.int32
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, again)
