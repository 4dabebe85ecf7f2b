"""A small replay for the tests of this folder."""

import functools

import pytest
import tensorflow as tf

from sac_tf.replay.reader import BatchReader
from sac_tf.replay.replay import Replay
from sac_tf.replay.samplers import ResidentSampler
from sac_tf.replay.tables import Uniform, make_tables
from sac_tf.replay.transitions import OneStepRows
from sac_tf.replay.writer import TransitionWriter
from tests.replay.numbered import CAPACITY, DISCOUNT, EXPECTED_ROWS


@pytest.fixture
def make_replay(spec, tmp_path):
    """Returns a function that makes a small replay, closed after the test."""
    made = []

    def make(
        restore_from=None,
        restored=0,
        sampler=ResidentSampler,
        rows=OneStepRows,
        selector=Uniform,
        **settings,
    ):
        replay = Replay(
            spec,
            tf.random.Generator.from_seed(1),
            DISCOUNT,
            tmp_path / f"staging{len(made)}",
            expected_rows=EXPECTED_ROWS - restored,
            restore_from=restore_from,
            tables=functools.partial(make_tables, capacity=CAPACITY, sampler=selector, **settings),
            reader=functools.partial(BatchReader, sampler=sampler),
            writer=functools.partial(TransitionWriter, rows=rows),
        )
        made.append(replay)
        return replay

    yield make
    for replay in made:
        replay.close()
