"""Goal-conditioned tasks as Gymnasium-Robotics has them: `tests.goal_tasks:Line`, for example.

`Line` is well behaved; each of the others has one peculiarity.
"""

import gymnasium
import numpy as np
from gymnasium import spaces

_GOAL = spaces.Box(-10, 10, (1,), np.float64)


def _reward(achieved, desired):
    return -(np.abs(achieved - desired)[..., 0] > 0.5).astype(np.float32)


class WithoutReward(gymnasium.Env):
    """A point on a line that has to reach a goal, which random steps hardly ever do; -1 until it is
    there. Ten steps. It has no function for the rewards of other goals."""

    observation_space = spaces.Dict(
        observation=spaces.Box(-10, 10, (2,), np.float64), achieved_goal=_GOAL, desired_goal=_GOAL
    )
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._steps = 0
        self._position = np.zeros(1)
        self._goal = self.np_random.choice([-1, 1]) * self.np_random.uniform(4, 7, 1)
        return self._observation(), {}

    def step(self, action):
        self._steps += 1
        self._position = self._position + action
        observation = self._observation()
        goals = observation["achieved_goal"], observation["desired_goal"]
        reward = float(_reward(*goals))
        terminated = bool(self._is_over(*goals))
        info = {"is_success": reward == 0}
        return observation, reward, terminated, self._steps == 10, info

    def _is_over(self, achieved, desired):
        return False

    def _observation(self):
        return {
            "observation": np.array([self._position[0], self._steps]),
            "achieved_goal": self._position.copy(),
            "desired_goal": self._goal.copy(),
        }


class Line(WithoutReward):
    """Has one."""

    def compute_reward(self, achieved_goal, desired_goal, info):
        return _reward(achieved_goal, desired_goal)


class EndsAtTheGoal(Line):
    """Terminates at the goal; its `compute_terminated` takes one goal, as that of mazes does."""

    def compute_terminated(self, achieved_goal, desired_goal, info):
        return bool(np.linalg.norm(achieved_goal - desired_goal) <= 0.5)

    def _is_over(self, achieved, desired):
        return self.compute_terminated(achieved, desired, {})


class EndsOneGoalAtATime(EndsAtTheGoal):
    """Its `compute_terminated` raises with several goals."""

    def compute_terminated(self, achieved_goal, desired_goal, info):
        return bool(np.abs(achieved_goal - desired_goal) <= 0.5)


class OneGoalAtATime(Line):
    """`compute_reward` takes one goal."""

    def compute_reward(self, achieved_goal, desired_goal, info):
        return -float(np.linalg.norm(achieved_goal - desired_goal) > 0.5)


class ReadsInfo(Line):
    """`compute_reward` needs what the task reported with the step."""

    def compute_reward(self, achieved_goal, desired_goal, info):
        return info["cost"]


class OtherReward(Line):
    """Returns other rewards than `compute_reward`."""

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, 2 * reward, *rest


class OtherRewardAtTheGoal(Line):
    """0, and 1 at the goal, which a step returns as 10; two steps away at least."""

    def reset(self, **arguments):
        observation, info = super().reset(**arguments)
        self._goal = np.array([1.6])
        return {**observation, "desired_goal": self._goal.copy()}, info

    def compute_reward(self, achieved_goal, desired_goal, info):
        return 1 + _reward(achieved_goal, desired_goal)

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, 10 * (1 + reward), *rest


class UnequalGoals(Line):
    """Achieves goals of another shape than those it desires."""

    observation_space = spaces.Dict(
        observation=spaces.Box(-10, 10, (2,), np.float64),
        achieved_goal=spaces.Box(-10, 10, (2,), np.float64),
        desired_goal=_GOAL,
    )
