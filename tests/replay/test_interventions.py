"""Interventions among the prior data: only their steps are drawn, with what is around them."""

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.replay.interventions import Interventions
from sac_tf.replay.mixture import PRIOR_DATA, ReplayWithPriorData
from sac_tf.replay.prior_data import PriorData
from sac_tf.replay.windows import Windows
from sac_tf.types import INTERVENED
from tests.replay.game import (
    DISCOUNT,
    Episodes,
    Game,
    drawn,
    drawn_returns,
    game_spec,
    returns_to_go,
)
from tests.sources import sample_rows

FIRST_OF_RUN = 10_000
"""Number of the first frame that the run has seen; those of the data set are smaller."""


class _TakenOver:
    """A sink that takes over at random, and gives all steps to prior data."""

    def __init__(self, data):
        self._data = data
        self._generator = np.random.default_rng(3)
        self.frames = set()

    def add(self, transition, step, ended):
        taken = self._generator.random(2) < 0.2
        self.frames |= set(transition.observation["count"][taken, -1].astype(int).tolist())
        extras = {INTERVENED: taken} if taken.any() else {}
        self._data.add(transition._replace(extras=extras), ended)


def _data(frames, n=1, rows=1000, **settings):
    """Returns prior data of a few episodes, and their game."""
    game = Game(seed=5, environments=2, frames=frames)
    game.play(_Discard(), 30)
    game.cut()
    windows = Windows(game_spec(frames), DISCOUNT, None, n=n, **settings)
    played = [one for one in game.finished if one.rewards]
    generator = tf.random.Generator.from_seed(0)
    data = PriorData(windows, Episodes(played), generator, interventions=rows)
    data.fill()
    return data, game


class _Discard:
    def add(self, transition, step, ended):
        pass


def _run(data, frames, steps=60):
    """Plays a run with interventions; returns its game and the frames of its interventions."""
    game = Game(seed=6, environments=2, frames=frames)
    game._counted = FIRST_OF_RUN
    game._open = [game._begin() for _ in range(2)]
    sink = _TakenOver(data)
    game.play(sink, steps)
    return game, sink.frames


@pytest.mark.parametrize(("n", "frames"), [(1, 1), (3, 1), (1, 3), (4, 3)])
def test_the_steps_of_interventions_are_drawn(n, frames, tmp_path):
    """Their windows are those of the replay; and a checkpoint has them, in the same order."""
    data, base = _data(frames, n)
    run, taken = _run(data, frames)
    data.end_episodes()
    run.cut()
    own = {frame: one for frame, one in run.transitions(n).items() if frame in taken}
    assert 10 < len(own) < 40
    assert drawn(data) == {**base.transitions(n), **own}
    assert data.size == 60 + len(own)
    data.save(tmp_path / "replay")
    resumed, _ = _data(frames, n)
    resumed.restore(tmp_path / "replay")
    assert resumed.size == data.size
    data._generator.reset_from_seed(9)
    resumed._generator.reset_from_seed(9)
    for mine, theirs in zip(
        tf.nest.flatten(sample_rows(resumed, 50)),
        tf.nest.flatten(sample_rows(data, 50)),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, theirs)


class _Empty:
    """A replay whose checkpoints are empty."""

    def save(self, folder):
        folder.mkdir()


def test_a_checkpoint_has_the_interventions_of_open_episodes(tmp_path):
    """As after a failure of the task, in the middle of an episode."""
    data, _ = _data(1)
    _, taken = _run(data, 1)
    ReplayWithPriorData(_Empty(), data, 0.5, replicas=1).save(tmp_path / "replay")
    resumed, base = _data(1)
    resumed.restore(tmp_path / "replay" / PRIOR_DATA)
    assert set(drawn(resumed)) - set(base.transitions(1)) == taken


def test_returns_to_go_are_those_of_the_episode():
    data, _ = _data(1, with_return_to_go=True)
    run, taken = _run(data, 1)
    data.end_episodes()
    expected = returns_to_go([*run.finished, *run._open])
    found = drawn_returns(data)
    own = {frame: value for frame, value in found.items() if frame > FIRST_OF_RUN}
    assert own == {frame: expected[frame] for frame in taken}


def test_what_has_no_room_is_left_out_and_reported_once(caplog):
    data, base = _data(1, rows=12)
    _, taken = _run(data, 1)
    data.end_episodes()
    found = drawn(data)
    own = set(found) - set(base.transitions(1))
    assert own and own < taken
    assert [record.message for record in caplog.records] == [
        "prior_data.interventions has room for no more steps: later interventions are in the "
        "replay only."
    ]


class _Taken(_Discard):
    """A sink that takes over in all steps and ignores the episodes that are returned."""

    def __init__(self, interventions):
        self._interventions = interventions

    def add(self, transition, step, ended):
        extras = {INTERVENED: np.ones(2, bool)}
        self._interventions.add(transition._replace(extras=extras), {0, 1})


def test_episodes_that_nobody_has_room_for_end_all_the_same():
    """Two episodes end together, and the next two do not contain their steps."""
    interventions = Interventions(Windows(game_spec(1), DISCOUNT, None).columns)
    game = Game(seed=5, environments=2, frames=1)
    for steps in (3, 2):
        game.play(_Taken(interventions), steps)
    assert interventions.end_episodes() == []


def test_without_room_the_steps_of_the_run_are_not_held():
    data, base = _data(1, rows=0)
    _run(data, 1)
    data.end_episodes()
    assert drawn(data) == base.transitions(1)
