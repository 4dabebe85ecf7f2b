r"""Scripted interveners, as wrappers: a demonstrator takes over where a policy makes no progress.

python -m binaries.train --root_dir=runs/helped --gin_file=gin_configs/tasks/fetch_reach.gin \
    --gin_bindings="environment.training_wrappers=['examples.interveners:fetch_reach']"

A person can take over in the same way: a wrapper that executes another action than the given one
reports it as `info["intervene_action"]`.
"""

import gymnasium
import numpy as np

from examples import demonstrators


class Intervener(gymnasium.Wrapper):
    """Takes over for `length` steps when the distance to the goal has not decreased for `patience`
    steps, by at least a tenth of `near`.

    Args:
      environment: of the task.
      demonstrator: see `examples.demonstrators`.
      distance: f(environment, observation) -> distance to the goal.
      near: no help is needed within this distance.
      patience, length: in steps.
    """

    def __init__(self, environment, demonstrator, distance, near, patience=3, length=5):
        super().__init__(environment)
        self._demonstrator = demonstrator
        self._distance = distance
        self._near = near
        self._patience = patience
        self._length = length

    def reset(self, **arguments):
        observation, info = self.env.reset(**arguments)
        self._act = self._demonstrator(self.env)
        self._observation = observation
        self._begin(observation)
        return observation, info

    def _begin(self, observation):
        """Leaves the policy alone."""
        self._least = self._distance(self.env, observation)
        self._waited = 0
        self._left = 0

    def step(self, action):
        takes_over = self._left > 0
        if takes_over:
            action = self._act(self._observation)
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._observation = observation
        if takes_over:
            info = {**info, "intervene_action": action}
            self._left -= 1
            if not self._left:
                self._begin(observation)
        else:
            self._watch(self._distance(self.env, observation))
        return observation, reward, terminated, truncated, info

    def _watch(self, distance):
        """Decides whether the policy needs help from the next step on."""
        if distance < self._least - self._near / 10:
            self._least = distance
            self._waited = 0
        elif distance > self._near:
            self._waited += 1
            if self._waited == self._patience:
                self._left = self._length


def fetch_reach(environment):
    """Helps in FetchReach-v4, whose goals are reached within 5 cm."""

    def distance(environment, observation):
        del environment
        return np.linalg.norm(observation["desired_goal"] - observation["achieved_goal"])

    return Intervener(environment, demonstrators.fetch_reach, distance, near=0.05)


def disc(environment):
    """Helps in `tests.pixel_tasks:Reacher`, whose goals are reached within 0.1."""

    def distance(environment, observation):
        del observation
        task = environment.unwrapped
        return np.linalg.norm(task.goal - task.position)

    return Intervener(environment, demonstrators.disc, distance, near=0.1)
