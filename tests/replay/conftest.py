"""Small replays for the tests of this folder."""

import functools

import pytest
import tensorflow as tf

from sac_tf.replay.reader import BatchReader
from sac_tf.replay.replay import Replay
from sac_tf.replay.resident import ResidentSampler
from sac_tf.replay.tables import Uniform, make_tables
from sac_tf.replay.windows import Windows
from tests.replay.numbered import CAPACITY, DISCOUNT, EXPECTED_STEPS


@pytest.fixture
def open_replay(tmp_path):
    """Returns a function that makes a replay of windows, closed after the test; `seed` is of the
    draws, None for another one each time, and `tables` are settings of the tables."""
    made = []

    def make(
        windows,
        environments,
        sampler,
        selector,
        expected_steps=10_000,
        restore_from=None,
        seed=None,
        **tables,
    ):
        replay = Replay(
            windows,
            environments,
            tf.random.Generator.from_seed(len(made) if seed is None else seed),
            tmp_path / f"staging{len(made)}",
            expected_steps=expected_steps,
            restore_from=restore_from,
            tables=functools.partial(make_tables, sampler=selector, **tables),
            reader=functools.partial(BatchReader, sampler=sampler),
        )
        made.append(replay)
        return replay

    yield make
    for replay in made:
        replay.close()


@pytest.fixture
def make_replay(spec, open_replay):
    """Returns a function that makes a small replay of one environment."""

    def make(
        restore_from=None,
        restored=0,
        sampler=ResidentSampler,
        selector=Uniform,
        capacity=CAPACITY,
        windows=None,
        **settings,
    ):
        return open_replay(
            Windows(spec, DISCOUNT, None, **(windows or {})),
            1,
            sampler,
            selector,
            expected_steps=EXPECTED_STEPS - restored,
            restore_from=restore_from,
            seed=1,
            capacity=capacity,
            **settings,
        )

    return make
