"""Windows of both samplers against an oracle that knows every episode: n-step returns, successors,
frame stacks, several environments, a full replay, and a checkpoint in the middle."""

import copy

import numpy as np
import pytest

from sac_tf.errors import ConfigurationError, RunError
from sac_tf.replay.prioritized import PrioritizedSampler
from sac_tf.replay.resident import ResidentSampler
from sac_tf.replay.samplers import ReverbSampler
from sac_tf.replay.windows import Windows
from tests.replay.game import (
    DISCOUNT,
    SAMPLERS,
    Game,
    drawn,
    drawn_returns,
    game_spec,
    transitions_of,
)
from tests.sources import row_sampler, sample_rows


@pytest.fixture
def make_replay(open_replay):
    """Returns a function that makes a replay of the game."""

    def make(sampler, environments, n, frames, capacity=10_000, restore_from=None, returns=False):
        return open_replay(
            Windows(game_spec(frames), DISCOUNT, None, n=n, with_return_to_go=returns),
            environments,
            sampler,
            SAMPLERS[sampler],
            restore_from=restore_from,
            capacity=capacity,
        )

    return make


_ALL = [
    (environments, n, frames) for environments in (1, 3) for n in (1, 3, 5) for frames in (1, 3)
]


@pytest.mark.parametrize(
    ("sampler", "environments", "n", "frames"),
    [
        *(
            (sampler, *settings)
            for sampler in (ResidentSampler, ReverbSampler)
            for settings in _ALL
        ),
        (PrioritizedSampler, 1, 1, 1),
        (PrioritizedSampler, 3, 5, 3),
    ],
)
def test_every_window_is_that_of_the_oracle(make_replay, sampler, environments, n, frames):
    replay = make_replay(sampler, environments, n, frames)
    game = Game(n, environments, frames)
    for steps in (40, 1, 30):
        game.play(replay, steps)
    replay.publish()
    assert drawn(replay) == game.transitions(n)


@pytest.mark.parametrize(
    ("environments", "n", "frames"), [(1, 1, 1), (1, 5, 3), (3, 1, 3), (3, 3, 1), (3, 5, 3)]
)
def test_a_full_ring_has_the_newest_windows_also_after_a_restart(
    make_replay, tmp_path, environments, n, frames
):
    """400 rows in a ring of 112, with a checkpoint in the middle: a ring that was restored draws
    the same as the one that was saved, then and later."""
    settings = (ResidentSampler, environments, n, frames, 100)
    before = make_replay(*settings)
    game = Game(n, environments, frames)
    for _ in range(3):
        game.play(before, 30 * 3 // environments)
        before.refresh()
    before.save(tmp_path / "saved")
    game.cut()
    after = make_replay(*settings, restore_from=tmp_path / "saved")
    replays = (before, after)
    samplers = [row_sampler(replay, 500) for replay in replays]
    first, same = _draws(replays, samplers)
    assert first == same
    assert first.items() <= game.transitions(n).items()
    for steps in (17, 50):
        games = (game, copy.deepcopy(game))
        for state, replay in zip(games, replays, strict=True):
            state.play(replay, steps // environments)
            replay.publish()
        newest, same = _draws(replays, samplers)
        _assert_newest(newest, game, n)
        assert newest == same


def _draws(replays, samplers) -> list[dict[int, tuple]]:
    """Returns what samplers draw with one seed."""
    for replay in replays:
        replay._reader.sampler._generator.reset_from_seed(7)
    return [transitions_of(sample()) for sample in samplers]


def _assert_newest(found, game, n):
    """Checks that a ring of at most 7 segments of 16 rows has whole windows, and no gap: each that
    is newer than the oldest one, apart from those whose stacks or steps were dropped with it."""
    expected = game.transitions(n)
    assert found.items() <= expected.items()
    order = [number for number in expected if number >= min(found)]
    assert 100 - 16 - 3 * 2 * n - 25 <= len(found) <= 112
    assert len(found) >= len(order) - 3 * 2 * (n + 2)


@pytest.mark.parametrize("sampler", [ResidentSampler, ReverbSampler])
@pytest.mark.parametrize("environments", [1, 3])
def test_returns_to_go_are_those_of_the_oracle(make_replay, tmp_path, sampler, environments):
    """Of episodes that have ended, and after a restart; those that have begun are not stored."""
    replay = make_replay(sampler, environments, 3, 1, returns=True)
    game = Game(0, environments, 1)
    game.play(replay, 60)
    replay.publish()
    expected = _returns_to_go(game.finished)
    assert drawn_returns(replay) == expected
    replay.save(tmp_path / "saved")
    game.cut()
    restored = make_replay(
        sampler, environments, 3, 1, restore_from=tmp_path / "saved", returns=True
    )
    whole = _returns_to_go(game.finished)
    assert drawn_returns(restored) == whole and len(whole) > len(expected)


def _returns_to_go(episodes) -> dict[int, float]:
    """Returns {first frame: return} of each step, by the definition."""
    found = {}
    for played in episodes:
        for start in range(len(played.rewards)):
            rewards = enumerate(played.rewards[start:])
            found[played.frames[start]] = sum(DISCOUNT**k * reward for k, reward in rewards)
    return {frame: pytest.approx(value, abs=1e-5) for frame, value in found.items()}


@pytest.mark.parametrize("environments", [1, 3])
def test_draws_are_uniform(make_replay, environments):
    """Over 99 to 101 windows of several episodes; chi-square has their number as its mean, and a
    standard deviation of 14."""
    replay = make_replay(ResidentSampler, environments, 3, 1)
    game = Game(0, environments, 1)
    game.play(replay, 102 // environments)
    replay.end_episodes()
    game.cut()
    batch = sample_rows(replay, 100_000)
    _, counts = np.unique(batch.observation["count"].numpy(), return_counts=True)
    expected = 100_000 / len(game.transitions(3))
    assert len(counts) == len(game.transitions(3))
    assert 40 < np.sum((counts - expected) ** 2 / expected) < 200


def test_a_capacity_that_is_too_small_raises(make_replay):
    """Every segment of 16 rows ends before the window of 20 steps that begins in it."""
    replay = make_replay(ResidentSampler, 1, 40, 1, capacity=16)
    game = Game(1, 1, 1)
    with pytest.raises(
        RunError, match="dropped the steps of all .* set tables.capacity to a larger"
    ):
        game.play(replay, 3)
        replay.publish()
        for _ in range(10):
            game.play(replay, 16)
            replay.publish()


def test_a_number_out_of_range_raises():
    with pytest.raises(ConfigurationError, match="Windows.n must be an integer of at least 1"):
        Windows(game_spec(1), 0.99, None, n=0)
