"""Toy environments whose every number is known: `tests.toy:Counter-v0` and faulty variants."""

import time

import gymnasium
import numpy as np
from gymnasium import spaces

LENGTH = 5


class Counter(gymnasium.Env):
    """Observes (episode, step). The reward is the action. Odd episodes terminate after 5 steps,
    even ones are truncated."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Box(np.float32(-2.0), np.float32(0.5), (1,))

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        self._episode = 0
        self._step = 0
        self.seeds = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seeds.append(seed)
        self._episode += 1
        self._step = 0
        return self._observation(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self._step += 1
        is_over = self._step == LENGTH
        terminates = self._episode % 2 == 1
        reward = float(action[0])
        info = {"is_success": is_over and terminates}
        return self._observation(), reward, is_over and terminates, is_over and not terminates, info

    def _observation(self):
        return np.array([self._episode, self._step], np.float64)


class Nested(Counter):
    """The same observation as a nested dict."""

    observation_space = spaces.Dict(
        {
            "b": spaces.Box(-9, 9, (1,)),
            "a": spaces.Dict({"c": spaces.Box(-9, 9, (1, 1), np.float64)}),
        }
    )

    def _observation(self):
        return {"b": np.float32([self._step]), "a": {"c": np.float64([[self._episode]])}}


class Discrete(Counter):
    action_space = spaces.Discrete(3)


class Unbounded(Counter):
    action_space = spaces.Box(-np.inf, np.inf, (1,))


class Uneven(Counter):
    """Bounds for which center - half range, rounded to float32, lies outside."""

    action_space = spaces.Box(np.float32(1.304), np.float32(4.1452427), (1,))


class Pixels(Counter):
    observation_space = spaces.Box(0, 255, (2,), np.uint8)


class Paced(Counter):
    """Takes 4 ms per step, so that collectors leave the processor to other processes of a run."""

    def step(self, action):
        time.sleep(0.004)
        return super().step(action)


class Poisoned(Counter):
    """Observes NaN in step 3 of episode 20."""

    def _observation(self):
        observation = super()._observation()
        return observation * np.nan if (self._episode, self._step) == (20, 3) else observation


class Steep(Counter):
    """Rewards whose squares overflow float32, and so the critic loss."""

    def step(self, action):
        observation, _, terminated, truncated, info = super().step(action)
        return observation, 1e30, terminated, truncated, info


for _class in (Counter, Nested, Uneven, Discrete, Unbounded, Pixels, Paced, Poisoned, Steep):
    if f"{_class.__name__}-v0" not in gymnasium.registry:
        gymnasium.register(f"{_class.__name__}-v0", entry_point=_class, disable_env_checker=True)


class Delayed(gymnasium.Env):
    """Rewards the first action of a two-step episode in the second step: -(action - goal)^2.

    The best return is 0. The action 0 gives -1/3 on average, uniform actions -2/3. The first step
    is learned through the value of the second.
    """

    observation_space = spaces.Box(-1, 1, (3,))
    action_space = spaces.Box(-1, 1, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._goal = self.np_random.uniform(-1, 1)
        self._actions = []
        return self._observation(), {}

    def step(self, action):
        self._actions.append(action[0])
        is_over = len(self._actions) == 2
        reward = -float((self._actions[0] - self._goal) ** 2) if is_over else 0.0
        return self._observation(), reward, is_over, False, {}

    def _observation(self):
        first = self._actions[0] if self._actions else 0.0
        return np.array([self._goal, first, len(self._actions) / 2], np.float32)


gymnasium.register("Delayed-v0", entry_point=Delayed, disable_env_checker=True)
