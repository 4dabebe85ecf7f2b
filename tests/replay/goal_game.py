"""A game with goals for the tests of hindsight, which knows every transition that a replay of it
may give. Each step achieves its own number, and each episode desires a number below 0."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from sac_tf.leaves import ActionLeaf, ObservationLeaf
from sac_tf.types import EnvironmentSpec, Transition
from tests.replay.game import DISCOUNT, stack
from tests.sources import sample_rows

DRAWS = 6000
"""Of a replay, to see what it gives."""


def goal_spec(frames: int = 1) -> EnvironmentSpec:
    leaves = tuple(
        ObservationLeaf(key, (key,), (frames,), "float32", frames=frames)
        for key in ("achieved_goal", "desired_goal", "observation")
    )
    return EnvironmentSpec(leaves, (ActionLeaf("action", (), (1,), "float32", (-1.0,), (1.0,)),))


def reward_of(achieved, desired):
    """-1 unless a step achieves its goal, or one that is 1 or 2 away; exact in float32."""
    return -(np.abs(achieved - desired) > 2).astype(np.float32)


class GameGoals:
    """Takes the place of `Goals`; terminates at the goal if `terminates`."""

    def __init__(self, terminates: bool):
        self.can_terminate = terminates

    def prepare(self, shape):
        assert shape == (1,)

    def reward(self, achieved, desired):
        return reward_of(achieved, desired)[:, 0]

    def terminated(self, achieved, desired):
        return (achieved == desired)[:, 0]

    def check(self, reward, achieved, desired):
        np.testing.assert_array_equal(reward, self.reward(achieved, desired))
        assert achieved.shape == desired.shape == (len(reward), 1)


class Played(NamedTuple):
    """An episode: its goal, T + 1 achieved goals, and T discounts."""

    desired: int
    achieved: list[int]
    discounts: list[float]


class GoalGame:
    """E environments whose episodes end at random; remembers all."""

    def __init__(self, seed: int, environments: int, frames: int):
        self._generator = np.random.default_rng(seed)
        self._environments = environments
        self._frames = frames
        self._counted = 0
        self.episodes: list[Played] = []
        self._places: dict[int, tuple[Played, int]] = {}
        self.open = [self._begin() for _ in range(environments)]

    def _count(self) -> int:
        self._counted += 1
        return self._counted

    def _begin(self) -> Played:
        played = Played(-len(self.episodes) - 1, [], [])
        self.episodes.append(played)
        self._achieve(played)
        return played

    def _achieve(self, played: Played) -> None:
        played.achieved.append(self._count())
        self._places[self._counted] = (played, len(played.achieved) - 1)

    def play(self, replay, steps: int) -> None:
        """Adds joint steps to a replay."""
        for _ in range(steps):
            before = self._observation()
            terminated, truncated = self._generator.random((2, self._environments)) < 0.06
            for number, played in enumerate(self.open):
                self._achieve(played)
                played.discounts.append(float(not terminated[number]))
            action = np.zeros((self._environments, 1), np.float32)
            discount = np.float32([played.discounts[-1] for played in self.open])
            reward = -np.ones(self._environments, np.float32)
            transition = Transition(before, action, reward, discount, self._observation())
            ended = np.flatnonzero(terminated | truncated).tolist()
            replay.add(transition, 1, ended)
            self.end(ended)

    def end(self, environments) -> None:
        for number in environments:
            self.open[number] = self._begin()

    def _observation(self):
        achieved = np.float32(
            [stack(one.achieved, len(one.achieved) - 1, self._frames) for one in self.open]
        )
        desired = np.float32([[one.desired] * self._frames for one in self.open])
        return {"achieved_goal": achieved, "desired_goal": desired, "observation": achieved}

    def transition(self, first: int, goal: int, n: int, terminates: bool):
        """Returns (reward, discount, last achieved goal) of the transition that begins with the
        achieved goal `first`, for a goal."""
        played, start = self.find(first)
        length = min(n, len(played.discounts) - start)
        reward, reach = 0.0, 1.0
        for step in range(start, start + length):
            reward += reach * float(reward_of(played.achieved[step + 1], goal))
            discount = played.discounts[step]
            if goal > 0 and terminates:
                discount = float(played.achieved[step + 1] != goal)
            reach *= discount * (DISCOUNT if step < start + length - 1 else 1.0)
        return reward, reach, played.achieved[start + length]

    def find(self, achieved: int) -> tuple[Played, int]:
        """Returns the episode of an achieved goal, and its step."""
        return self._places[achieved]


def drawn_goals(replay, game, n, terminates=False):
    """Checks transitions that a replay samples, and returns {first step: {goal: times}}."""
    batch = tf.nest.map_structure(np.asarray, sample_rows(replay, DRAWS))
    found = {}
    for row in range(DRAWS):
        first = int(batch.observation["achieved_goal"][row, -1])
        goals = set(batch.observation["desired_goal"][row].tolist())
        goals |= set(batch.next_observation["desired_goal"][row].tolist())
        (goal,) = map(int, goals)  # the same in both observations, and in all frames
        given = (
            float(batch.reward[row]),
            float(batch.discount[row]),
            int(batch.next_observation["achieved_goal"][row, -1]),
        )
        assert given == game.transition(first, goal, n, terminates)
        if goal < 0:
            assert goal == game.find(first)[0].desired
        found.setdefault(first, {}).setdefault(goal, 0)
        found[first][goal] += 1
    return found


def reachable_goals(game, first, strategy):
    """Returns the goals that a step may get besides that of its episode. The newest step of an
    episode that has not ended is not stored yet."""
    played, start = game.find(first)
    achieved = played.achieved
    if any(played is one for one in game.open):
        achieved = achieved[:-1]
    return {
        "future": set(achieved[start + 1 :]),
        "final": {achieved[-1]},
        "episode": set(achieved[1:]),
    }[strategy]
