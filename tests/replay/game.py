"""A game for the tests of windows, which knows every transition of what was played, and what a
replay of it gives."""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from sac_tf.leaves import ActionLeaf, ObservationLeaf
from sac_tf.replay.columns import Trajectory
from sac_tf.replay.prioritized import PrioritizedSampler
from sac_tf.replay.resident import ResidentSampler
from sac_tf.replay.samplers import ReverbSampler
from sac_tf.replay.tables import Prioritized, Uniform
from sac_tf.types import RETURN_TO_GO, EnvironmentSpec, Transition
from tests.sources import sample_rows

DISCOUNT = 0.5
"""Exact in float32, as the small integers of rewards are."""

SAMPLERS = {
    ResidentSampler: Uniform,
    ReverbSampler: Uniform,
    PrioritizedSampler: functools.partial(Prioritized, priority_exponent=0.0),
}
"""Each sampler with a selector that draws all windows equally often."""


def game_spec(frames: int) -> EnvironmentSpec:
    """A number that counts the steps of the test, and an image of one byte."""
    leaves = (
        ObservationLeaf("count", ("count",), (frames,), "float32", frames=frames),
        ObservationLeaf("image", ("image",), (1, 1, frames), "uint8", frames=frames),
    )
    return EnvironmentSpec(leaves, (ActionLeaf("action", (), (1,), "float32", (-1.0,), (1.0,)),))


class Played(NamedTuple):
    """What one environment did in an episode: T + 1 frames and T steps."""

    frames: list[int]
    rewards: list[float]
    discounts: list[float]


class Game:
    """E environments whose episodes terminate and are truncated at random; remembers all."""

    def __init__(self, seed: int, environments: int, frames: int):
        self._generator = np.random.default_rng(seed)
        self._environments = environments
        self._frames = frames
        self._counted = 0
        self.finished: list[Played] = []
        self._open = [self._begin() for _ in range(environments)]
        self.order: list[tuple[Played, int]] = []

    def _count(self) -> int:
        self._counted += 1
        return self._counted

    def _begin(self) -> Played:
        return Played([self._count()], [], [])

    def play(self, replay, steps: int) -> None:
        """Adds joint steps to a replay."""
        for _ in range(steps):
            before = self._observation()
            terminated, truncated = self._generator.random((2, self._environments)) < 0.12
            reward = self._generator.integers(-8, 9, self._environments).astype(np.float32)
            for number, played in enumerate(self._open):
                played.frames.append(self._count())
                played.rewards.append(float(reward[number]))
                played.discounts.append(float(not terminated[number]))
                self.order.append((played, len(played.rewards) - 1))
            action = np.float32([[played.frames[-2] / 1e4] for played in self._open])
            discount = np.float32([played.discounts[-1] for played in self._open])
            transition = Transition(before, action, reward, discount, self._observation())
            ended = np.flatnonzero(terminated | truncated).tolist()
            replay.add(transition, 1, ended)
            self._end(ended)

    def cut(self) -> None:
        """Ends all episodes that have begun, as a checkpoint does."""
        self._end(range(self._environments))

    def _end(self, environments) -> None:
        for number in environments:
            self.finished.append(self._open[number])
            self._open[number] = self._begin()

    def _observation(self):
        stacks = [
            stack(played.frames, len(played.frames) - 1, self._frames) for played in self._open
        ]
        count = np.float32(stacks)
        return {"count": count, "image": (count % 256)[:, None, None, :]}

    def transitions(self, n: int) -> dict[int, tuple]:
        """Returns {first frame: transition} of every window that is complete."""
        found = {}
        for played in [*self.finished, *self._open]:
            is_finished = any(played is one for one in self.finished)
            for start in range(len(played.rewards)):
                if start + n >= len(played.rewards) and not is_finished:
                    continue  # its last observation is stored with the next action
                length = min(n, len(played.rewards) - start)
                window = range(start, start + length)
                folded = sum(DISCOUNT ** (t - start) * played.rewards[t] for t in window)
                survived = float(np.prod([played.discounts[t] for t in window]))
                found[played.frames[start]] = (
                    stack(played.frames, start, self._frames),
                    folded,
                    DISCOUNT ** (length - 1) * survived,
                    stack(played.frames, start + length, self._frames),
                )
        return found


def stack(frames: list[int], newest: int, size: int) -> list[int]:
    """Returns the frames up to `newest`, the first one repeated where there are none before."""
    return [frames[max(0, newest - back)] for back in reversed(range(size))]


def drawn(replay, number: int = 6000) -> dict[int, tuple]:
    """Returns the transitions that a replay samples, by first frame, each the same in every draw.
    6,000 draws miss one of 300 in one call of a million."""
    return transitions_of(sample_rows(replay, number))


def transitions_of(rows: Transition) -> dict[int, tuple]:
    """Returns rows as transitions by first frame."""
    batch = tf.nest.map_structure(np.asarray, rows)
    number = len(batch.reward)
    found = {}
    for row in range(number):
        observation = batch.observation["count"][row].astype(int).tolist()
        successor = batch.next_observation["count"][row].astype(int).tolist()
        first = observation[-1]
        assert batch.action[row, 0] == np.float32(first / 1e4)
        for counts, image in (
            (observation, batch.observation["image"]),
            (successor, batch.next_observation["image"]),
        ):
            assert image[row, 0, 0].tolist() == [count % 256 for count in counts]
        transition = (observation, float(batch.reward[row]), float(batch.discount[row]), successor)
        assert found.setdefault(first, transition) == transition
    return found


def returns_to_go(episodes) -> dict[int, float]:
    """Returns {frame: return from there} of every step of episodes."""
    found = {}
    for played in episodes:
        following = 0.0
        steps = list(zip(played.frames, played.rewards, played.discounts, strict=False))
        for frame, reward, discount in reversed(steps):
            following = reward + DISCOUNT * discount * following
            found[frame] = following
    return found


def drawn_returns(replay) -> dict[int, float]:
    """Returns the returns-to-go that a replay samples, by first frame."""
    batch = sample_rows(replay, 3000)
    frames = batch.observation["count"][:, 0].numpy().astype(int).tolist()
    return dict(zip(frames, batch.extras[RETURN_TO_GO].numpy().tolist(), strict=True))


class Episodes:
    """Episodes of a game, as a data set."""

    name = "of the game"

    def __init__(self, played, stacks=1, rows=None):
        self.episodes = [self._trajectory(one, stacks) for one in played]
        self.rows = sum(len(one.frames) for one in played) if rows is None else rows

    def __iter__(self):
        return iter(self.episodes)

    def _trajectory(self, played, stacks):
        counts = [stack(played.frames, newest, stacks) for newest in range(len(played.frames))]
        count = np.float32(counts)
        observation = {"count": count, "image": (count % 256).astype(np.uint8)[:, None, None]}
        action = np.float32(played.frames[:-1])[:, None] / np.float32(1e4)
        reward, discount = (np.float32(values) for values in (played.rewards, played.discounts))
        return Trajectory(observation, action, reward, discount)
