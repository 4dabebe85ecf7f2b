"""Demonstrators as users write them: `tests.demonstrators:toward_goal`, for example."""

import numpy as np

from examples.demonstrators import disc as toward_goal  # noqa: F401


def one_sided(environment):
    """Acts with 0.5 in the first step of an episode and with -1 later."""
    actions = iter([0.5])
    return lambda observation: np.float32([next(actions, -1.0)])


def failing(environment):
    return lambda observation: 1 / 0


def misshapen(environment):
    return lambda observation: [0.0, 1.0, 2.0]


def planned(environment):
    """Acts by where the point of `tests.tasks` was when the episode began."""
    action = -np.sign(environment.unwrapped.x[:1]).astype(np.float32)
    return lambda observation: action


def still(environment):
    return lambda observation: np.zeros(1, np.float32)


def away(environment):
    """Moves the points of `tests.tasks` away from 0."""
    return lambda observation: np.sign(observation[:1])


def elsewhere(environment):
    """Moves the disc of `tests.pixel_tasks:Reacher` to a place that is not its goal."""
    reacher = environment.unwrapped
    place = reacher.np_random.uniform(-1, 1, 2)

    def act(observation):
        return np.clip((place - reacher.position) / 0.2, -1, 1).astype(np.float32)

    return act
