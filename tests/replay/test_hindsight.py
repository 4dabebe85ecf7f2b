"""Hindsight against an oracle that knows every episode: goals, rewards, ends, successors."""

import functools

import numpy as np
import pytest
from scipy import stats

from sac_tf.errors import ConfigurationError, RunError
from sac_tf.replay import items
from sac_tf.replay.hindsight import Hindsight
from sac_tf.replay.prioritized import PrioritizedSampler
from sac_tf.replay.resident import ResidentSampler
from sac_tf.replay.samplers import ReverbSampler
from sac_tf.replay.windows import Windows
from tests.replay.game import DISCOUNT, SAMPLERS, game_spec
from tests.replay.goal_game import (
    DRAWS,
    GameGoals,
    GoalGame,
    drawn_goals,
    goal_spec,
    reachable_goals,
)


@pytest.fixture
def make_replay(open_replay):
    """Returns a function that makes a replay of the game."""

    def make(
        sampler=ResidentSampler,
        environments=1,
        n=1,
        frames=1,
        terminates=False,
        capacity=10_000,
        restore_from=None,
        **settings,
    ):
        windows = Windows(
            goal_spec(frames),
            DISCOUNT,
            GameGoals(terminates),
            n=n,
            hindsight=functools.partial(Hindsight, **settings),
        )
        return open_replay(
            windows,
            environments,
            sampler,
            SAMPLERS[sampler],
            restore_from=restore_from,
            seed=7,
            capacity=capacity,
        )

    return make


@pytest.mark.parametrize(
    ("environments", "n", "frames", "terminates", "strategy"),
    [
        (1, 1, 1, True, "future"),
        (1, 3, 3, True, "future"),
        (3, 1, 1, True, "future"),
        (3, 3, 3, False, "future"),
        (1, 1, 1, True, "final"),
        (3, 1, 1, True, "episode"),
    ],
)
def test_fresh_goals_are_those_of_the_oracle(
    make_replay, environments, n, frames, terminates, strategy
):
    """Of an episode of one environment that is still open, its steps so far give goals; those of
    several environments are stored when they have ended."""
    replay = make_replay(
        environments=environments, n=n, frames=frames, terminates=terminates, strategy=strategy
    )
    game = GoalGame(n, environments, frames)
    for steps in (40, 1, 20):
        game.play(replay, steps)
    replay.publish()
    found = drawn_goals(replay, game, n, terminates)
    for first, goals in found.items():
        own = game.find(first)[0].desired
        reachable = reachable_goals(game, first, strategy)
        assert goals.keys() <= reachable | {own}
        if sum(goals.values()) > 20 * len(reachable):
            assert goals.keys() == reachable | {own}
    assert sum(len(goals) for goals in found.values()) > 100


def test_share_of_replaced_goals_and_their_distribution(make_replay):
    """k of k + 1 transitions get another goal, each later step with the same probability."""
    replay = make_replay(k=4)
    game = GoalGame(3, 1, 1)
    game.play(replay, 60)
    replay.publish()
    found = drawn_goals(replay, game, 1)
    own = sum(times for goals in found.values() for goal, times in goals.items() if goal < 0)
    assert abs(own / DRAWS - 0.2) < 5 * np.sqrt(0.2 * 0.8 / DRAWS)
    first, goals = max(found.items(), key=lambda item: len(item[1]))
    others = [times for goal, times in goals.items() if goal > 0]
    assert len(others) == len(reachable_goals(game, first, "future")) > 5
    assert stats.chisquare(others).pvalue > 1e-4


@pytest.mark.parametrize(
    ("sampler", "environments", "n", "frames"),
    [(ReverbSampler, 1, 1, 1), (PrioritizedSampler, 3, 3, 3)],
)
def test_stored_goals_are_those_of_the_oracle(make_replay, sampler, environments, n, frames):
    """Reverb's own samplers have k goals for each transition of an episode that has ended."""
    replay = make_replay(sampler, environments, n, frames, terminates=True, k=2)
    game = GoalGame(n, environments, frames)
    game.play(replay, 150 // environments)
    replay.publish()
    found = drawn_goals(replay, game, n, terminates=True)
    ended = {
        achieved
        for played in game.episodes
        if not any(played is one for one in game.open)
        for achieved in played.achieved[:-1]
    }
    assert found.keys() == ended
    for first, goals in found.items():
        own = game.find(first)[0].desired
        others = goals.keys() - {own}
        assert len(others) <= 2 and others <= reachable_goals(game, first, "future")
        assert own in goals or sum(goals.values()) < 30


def test_full_ring_has_no_goal_of_a_dropped_step(make_replay, tmp_path):
    """Episodes that have lost their beginning give goals of what is left, also after a restart."""
    settings = {"capacity": 64, "strategy": "episode"}
    replay = make_replay(**settings)
    game = GoalGame(5, 1, 1)
    for _ in range(4):
        game.play(replay, 40)
        replay.refresh()
    replay.save(tmp_path / "saved")
    game.end([0])
    restored = make_replay(restore_from=tmp_path / "saved", **settings)
    found = drawn_goals(replay, game, 1)
    assert drawn_goals(restored, game, 1) == found
    oldest = min(found)
    assert oldest > 80
    for first, goals in found.items():
        reachable = reachable_goals(game, first, "episode")
        assert {goal for goal in goals if goal > 0} <= {
            goal for goal in reachable if goal >= oldest
        }


def test_without_k_no_goal_is_replaced(make_replay):
    replay = make_replay(k=0)
    game = GoalGame(3, 1, 1)
    game.play(replay, 40)
    replay.publish()
    assert all(goal < 0 for goals in drawn_goals(replay, game, 1).values() for goal in goals)


def test_too_long_episode_for_stored_goals_is_one_sentence(make_replay, monkeypatch):
    monkeypatch.setattr(items, "_LONGEST_EPISODE", 20)
    replay = make_replay(ReverbSampler)
    game = GoalGame(1, 1, 1)
    game._generator = np.random.default_rng(0)
    with pytest.raises(RunError, match="An episode has 20 steps, too many for hindsight"):
        game.play(replay, 200)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": -1}, "Hindsight.k must be an integer of at least 0, got -1"),
        ({"k": 1.5}, "Hindsight.k must be an integer of at least 0, got 1.5"),
        ({"strategy": "next"}, "Hindsight.strategy must be one of future, final, episode, got"),
    ],
)
def test_setting_out_of_range_is_one_sentence(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        Hindsight(goal_spec(), None, **settings)


def test_task_without_goals_is_one_sentence():
    with pytest.raises(ConfigurationError, match="and the task has count, image; leave"):
        Hindsight(game_spec(1), None)


def test_returns_to_go_with_hindsight_are_refused():
    with pytest.raises(ConfigurationError, match="exclude each other"):
        Windows(goal_spec(), 0.9, None, with_return_to_go=True, hindsight=Hindsight)
