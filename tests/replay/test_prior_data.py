"""Prior data: every window is that of the oracle, and none is dropped."""

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay.columns import Trajectory
from sac_tf.replay.hindsight import Hindsight
from sac_tf.replay.prior_data import PriorData
from sac_tf.replay.windows import Windows
from tests.replay.game import (
    DISCOUNT,
    Episodes,
    Game,
    drawn,
    drawn_returns,
    game_spec,
    returns_to_go,
    stack,
)
from tests.replay.goal_game import GameGoals, goal_spec
from tests.sources import sample_rows


class _Discard:
    """A replay that keeps nothing: the game remembers all."""

    def add(self, transition, step, ended):
        pass


def _played(frames):
    """Returns a game of 200 steps, all of whose episodes have ended."""
    game = Game(seed=5, environments=2, frames=frames)
    game.play(_Discard(), 100)
    game.finished += [one for one in game._open if one.rewards]
    game._open = []
    return game


@pytest.fixture(scope="module")
def game():
    return _played(frames=1)


def _make(windows, episodes, seed=0):
    return PriorData(windows, episodes, tf.random.Generator.from_seed(seed))


@pytest.mark.parametrize(("n", "frames", "stacks"), [(1, 1, 1), (3, 1, 1), (1, 3, 3), (5, 3, 1)])
def test_every_window_is_that_of_the_oracle(n, frames, stacks):
    """Also of a data set that has whole stacks, of which only the newest frame is stored."""
    game = _played(frames)
    data = _make(Windows(game_spec(frames), DISCOUNT, None, n=n), Episodes(game.finished, stacks))
    data.fill()
    assert drawn(data, 3000) == game.transitions(n) and data.size == 200


def test_returns_to_go_end_with_the_episode(game):
    windows = Windows(game_spec(1), DISCOUNT, None, with_return_to_go=True)
    data = _make(windows, Episodes(game.finished))
    data.fill()
    expected = returns_to_go(game.finished)
    found = drawn_returns(data)
    assert found == expected


def test_the_visit_has_all_transitions_in_order(game):
    frames = 3
    data = _make(Windows(game_spec(frames), DISCOUNT, None, n=5), Episodes(game.finished))
    visited = []
    data.fill(visited.append)
    for played, steps in zip(game.finished, visited, strict=True):
        last = len(played.rewards)
        stacks = [stack(played.frames, newest, frames) for newest in range(last + 1)]
        np.testing.assert_array_equal(steps.observation["count"], stacks[:-1])
        np.testing.assert_array_equal(steps.next_observation["count"], stacks[1:])
        np.testing.assert_array_equal(steps.reward, played.rewards)
        np.testing.assert_array_equal(steps.discount, played.discounts)
        assert steps.observation["image"].dtype == np.uint8


def test_the_same_seed_gives_the_same_batches(game):
    batches = []
    for seed in (0, 0, 1):
        data = _make(Windows(game_spec(1), DISCOUNT, None), Episodes(game.finished), seed)
        data.fill()
        batches.append(sample_rows(data, 50).reward.numpy().tolist())
    assert batches[0] == batches[1] != batches[2]


def test_it_is_compared_with_that_of_a_checkpoint(game, tmp_path):
    """Fewer episodes are others, and so is another reward."""
    windows = Windows(game_spec(1), DISCOUNT, None)
    rewarded = Episodes(game.finished)
    rewarded.episodes[-1].reward[-1] += 1
    made = {}
    for name, episodes in (
        ("saved", Episodes(game.finished)),
        ("same", Episodes(game.finished)),
        ("fewer", Episodes(game.finished[:-1])),
        ("rewarded", rewarded),
    ):
        made[name] = _make(windows, episodes)
        made[name].fill()
    made["saved"].save(tmp_path / "replay")
    made["same"].restore(tmp_path / "replay")
    for name in ("fewer", "rewarded"):
        with pytest.raises(ConfigurationError, match=r"has \d+ steps, and had 200; use a new"):
            made[name].restore(tmp_path / "replay")


def test_rewards_are_compared_up_to_one_that_is_not_0():
    """The first episode is at its goal; the second is not, and has twice the reward of the task."""
    episodes = Episodes([], rows=4)
    for desired, reward in ((0, 0), (-9, -2)):
        goals = {"achieved_goal": 0, "desired_goal": desired, "observation": 0}
        observation = {key: np.full((2, 1), goal, np.float32) for key, goal in goals.items()}
        numbers = np.float32([[0]]), np.float32([reward]), np.float32([1])
        episodes.episodes.append(Trajectory(observation, *numbers))
    windows = Windows(goal_spec(), DISCOUNT, GameGoals(terminates=False), hindsight=Hindsight)
    with pytest.raises(AssertionError, match="Arrays are not equal"):
        _make(windows, episodes).fill()


@pytest.mark.parametrize(
    ("episodes", "words"),
    [
        (lambda played: Episodes([]), "The data set of the game has no steps"),
        (lambda played: Episodes(played, rows=50), "has more steps than its description says"),
        (
            lambda played: _with_nan(Episodes(played)),
            "Episode 1 of the data set of the game has a",
        ),
        (
            lambda played: Episodes(played, rows=10**13),
            "needs .* GB of memory for 10,000,000,000,000",
        ),
    ],
)
def test_what_cannot_work_is_refused(game, episodes, words):
    with pytest.raises(ConfigurationError, match=words):
        _make(Windows(game_spec(1), DISCOUNT, None), episodes(game.finished)).fill()


def _with_nan(given):
    given.episodes[1].reward[0] = np.nan
    return given
