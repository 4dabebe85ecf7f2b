"""Collecting: generates transitions from an environment and an acting function."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sac_tf.environments.environment import Environment
from sac_tf.types import INTERVENED, Act, Episode, Nest, Numbers, Step, Transition


def collect(
    environment: Environment, act: Act, seed: int
) -> Iterator[tuple[Transition, list[Episode]]]:
    """Yields the E transitions of each joint step, and the episodes that ended with it, starting
    from new episodes.

    Args:
      environment: reset here with `seed`, then stepped once for each item taken.
      act: chooses the actions.
      seed: of the first episodes.
    """
    observation = environment.reset(seed)
    tally = EpisodeTally(environment.num_environments)
    while True:
        action = act(observation)
        step = environment.step(action)
        yield to_transition(observation, action, step), tally.add(step)
        observation = step.observation


def to_transition(observation: Nest, action: np.ndarray, step: Step) -> Transition:
    """Returns the E transitions of one joint step, with the actions that were executed.

    `discount` is 0 only where the task itself ended. Truncation keeps 1: a time limit does not
    change the value of a state (Pardo et al., 1712.00378).

    Args:
      observation: nest of [E, ...].
      action: [E, A] in [-1, 1], of the policy.
      step: the result of `action`; where somebody took over, of another one.
    """
    discount = 1.0 - step.terminated.astype(np.float32)
    extras = {}
    if step.interventions:
        action = action.copy()
        extras[INTERVENED] = np.zeros(len(action), bool)
        for environment, executed in step.interventions.items():
            action[environment] = executed
            extras[INTERVENED][environment] = True
    return Transition(observation, action, step.reward, discount, step.successor, extras)


class EpisodeTally:
    """Return, length and reported numbers of the current episode of each of E environments."""

    def __init__(self, num_environments: int):
        """Starts with new episodes."""
        self._total_reward = np.zeros(num_environments)
        self._length = np.zeros(num_environments, int)
        self._interventions = np.zeros(num_environments, int)
        self._info: list[dict[str, float]] = [{} for _ in range(num_environments)]
        self._largest: list[dict[str, float]] = [{} for _ in range(num_environments)]

    def add(self, step: Step) -> list[Episode]:
        """Adds a joint step, and returns the episodes that ended with it."""
        self._total_reward += step.reward
        self._length += 1
        for environment in step.interventions:
            self._interventions[environment] += 1
        for latest, largest, info in zip(self._info, self._largest, step.info, strict=True):
            for key, number in _numbers(info).items():
                latest[key] = number
                largest[key] = max(number, largest.get(key, number))
        ended = np.flatnonzero(step.terminated | step.truncated)
        return [self.end(int(environment)) for environment in ended]

    def end(self, environment: int) -> Episode:
        """Returns the current episode of an environment as it is now, and starts a new one."""
        episode = Episode(
            total_reward=float(self._total_reward[environment]),
            length=int(self._length[environment]),
            environment=environment,
            info=self._info[environment],
            largest=self._largest[environment],
            interventions=int(self._interventions[environment]),
        )
        self._total_reward[environment] = 0
        self._length[environment] = 0
        self._interventions[environment] = 0
        self._info[environment] = {}
        self._largest[environment] = {}
        return episode


def _numbers(info: Mapping[str, Any]) -> Numbers:
    """Returns the entries that are one number: Python's, NumPy's, or an array that holds one."""
    numbers = {}
    for key, value in info.items():
        if isinstance(value, float | int | np.bool_):  # the common case, without an array
            numbers[key] = float(value)
            continue
        try:
            array = np.asarray(value)
        except ValueError:  # nested lists of different lengths
            continue
        if array.size == 1 and array.dtype.kind in "fiub":
            numbers[key] = float(array.item())
    return numbers
