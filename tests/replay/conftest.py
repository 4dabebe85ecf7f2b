"""A small replay for the tests of this folder."""

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
def make_replay(spec, tmp_path):
    """Returns a function that makes a small replay of one environment, closed after the test."""
    made = []

    def make(
        restore_from=None,
        restored=0,
        sampler=ResidentSampler,
        selector=Uniform,
        capacity=CAPACITY,
        **settings,
    ):
        replay = Replay(
            Windows(spec, DISCOUNT, None),
            1,
            tf.random.Generator.from_seed(1),
            tmp_path / f"staging{len(made)}",
            expected_steps=EXPECTED_STEPS - restored,
            restore_from=restore_from,
            tables=functools.partial(make_tables, capacity=capacity, sampler=selector, **settings),
            reader=functools.partial(BatchReader, sampler=sampler),
        )
        made.append(replay)
        return replay

    yield make
    for replay in made:
        replay.close()
