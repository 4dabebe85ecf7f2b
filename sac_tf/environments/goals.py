"""Goals: reward and termination of a goal-conditioned task, for other goals than its own."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from sac_tf.errors import ConfigurationError

ACHIEVED = "achieved_goal"
DESIRED = "desired_goal"
"""Keys of the observation of a goal-conditioned task, as Gymnasium-Robotics names them."""


class Goals:
    """Calls `compute_reward` and `compute_terminated` of a task, with the interface of `GoalEnv` in
    Gymnasium-Robotics."""

    def __init__(self, title: str, make: Callable[[], gymnasium.Env]):
        """Takes the title of the task for messages, and what returns one of its environments, which
        is called if the goals are needed."""
        self._title = title
        self._make = make
        self._reward: Callable[..., Any] | None = None
        self._terminated: Callable[..., Any] | None = None
        self._is_terminated_vectorized = False

    def prepare(self, shape: tuple[int, ...]) -> None:
        """Finds the functions of the task, whose goals have this shape.

        Raises:
          ConfigurationError: the task has no `compute_reward`, or it does not take arrays of goals.
        """
        environment = self._make()
        self._reward = _method(environment, "compute_reward")
        self._terminated = _method(environment, "compute_terminated")
        if self._reward is None:
            raise ConfigurationError(
                f"Windows.hindsight needs a task with compute_reward(achieved_goal, desired_goal, "
                f"info), and train.environment={self._title!r} has none; leave gin_configs/her.gin "
                "out."
            )
        goals = np.zeros((2, *shape), np.float32)
        rewards = np.shape(self._call("compute_reward", self._reward, goals))
        if rewards != (2,):
            raise ConfigurationError(
                f"compute_reward of train.environment={self._title!r} returned the shape "
                f"{list(rewards)} for two goals; hindsight needs one reward for each goal."
            )
        if self._terminated is not None:
            self._is_terminated_vectorized = self._terminates_many(self._terminated, goals)

    @property
    def can_terminate(self) -> bool:
        """Whether the task says which goals end an episode."""
        return self._terminated is not None

    def reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Returns the rewards float32 [N] of achieved goals [N, ...] for desired ones [N, ...]."""
        assert self._reward is not None
        return np.asarray(self._reward(achieved, desired, {}), np.float32)

    def terminated(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Returns whether achieved goals [N, ...] end the episode, bool [N]."""
        terminated = self._terminated
        assert terminated is not None
        if self._is_terminated_vectorized:
            return np.asarray(terminated(achieved, desired, {}), bool)
        pairs = zip(achieved, desired, strict=True)
        return np.fromiter((terminated(*pair, {}) for pair in pairs), bool, len(achieved))

    def check(self, reward: np.ndarray, achieved: np.ndarray, desired: np.ndarray) -> None:
        """Raises ConfigurationError if the rewards [N] of steps are not those of `compute_reward`.

        Args:
          reward: that the task returned.
          achieved, desired: goals [N, ...] after these steps.
        """
        computed = self.reward(achieved, desired)
        different = ~np.isclose(reward, computed, rtol=1e-3, atol=1e-4)
        if different.any():
            first = int(np.argmax(different))
            raise ConfigurationError(
                f"train.environment={self._title!r} returned the reward {reward[first]:g} where "
                f"its compute_reward gives {computed[first]:g}; hindsight needs them equal: leave "
                "out environment.wrappers that change rewards, and use FixedRewardScale.scale."
            )

    def _terminates_many(self, terminated: Callable[..., Any], goals: np.ndarray) -> bool:
        """Returns whether a `compute_terminated` takes several goals; raises ConfigurationError if
        it takes no single one either."""
        try:
            return np.shape(terminated(goals, goals, {})) == (2,)
        except Exception:  # with several goals it may raise anything
            self._call("compute_terminated", terminated, goals[0])
            return False

    def _call(self, name: str, function: Callable[..., Any], goals: np.ndarray) -> Any:
        try:
            return function(goals, goals, {})
        except Exception as error:  # a task may raise anything
            raise ConfigurationError(
                f"{name} of train.environment={self._title!r} raised {type(error).__name__} "
                f"({' '.join(str(error).split())}); hindsight calls it with arrays of goals and "
                "without info."
            ) from error


def _method(environment: gymnasium.Env, name: str) -> Callable[..., Any] | None:
    return environment.get_wrapper_attr(name) if environment.has_wrapper_attr(name) else None
