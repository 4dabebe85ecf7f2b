"""Tasks that do what users' own tasks do: `tests.tasks:Name-v0`."""

import socket
import time

import gymnasium
import numpy as np
from gymnasium import spaces


class Point(gymnasium.Env):
    """A point to be held at 0, for `limit` steps; the reward is minus its distance."""

    observation_space = spaces.Box(-10, 10, (3,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return self.x.copy(), {}

    def step(self, action):
        self.x = np.clip(self.x + 0.1 * action[0], -10, 10).astype(np.float32)
        return self.x.copy(), float(-abs(self.x[0])), False, False, {}


def _register(task, limit=10, **arguments):
    name = f"{task.__name__}-v0"
    if name not in gymnasium.registry:
        gymnasium.register(name, entry_point=task, max_episode_steps=limit, **arguments)
    return task


_register(Point)


class Endless(Point):
    """No time limit, and it never terminates."""


_register(Endless, limit=None)


class Slow(Point):
    """10 ms a step, 500 steps."""

    def step(self, action):
        time.sleep(0.01)
        return super().step(action)


_register(Slow, limit=500)


@_register
class Reaching(Point):
    """Reports success and other numbers in the kinds of values that tasks use."""

    def step(self, action):
        observation, reward, terminated, truncated, _ = super().step(action)
        info = {
            "is_success": np.bool_(abs(self.x[0]) < 0.5),
            "x_position": np.array([self.x[0]]),
            "zero_d": np.array(2),
            "name": "arm",
            "contacts": [[1], [2, 3]],
        }
        return observation, reward, terminated, truncated, info


@_register
class OnlySuccess(Point):
    """Reports success only where there is one, and not in the last step: 7 of 10 episodes."""

    def reset(self, **arguments):
        self.steps = 0
        return super().reset(**arguments)

    def step(self, action):
        self.steps += 1
        observation, reward, terminated, truncated, info = super().step(action)
        if self.steps == 5 and self.x[1] > -0.5:
            info["success"] = 1.0
        return observation, reward, terminated, truncated, info


@_register
class OneInstance(Point):
    """As a robot, or a simulator on a fixed port: a second instance cannot exist."""

    def __init__(self, render_mode=None):
        super().__init__(render_mode)
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 45872))
        self.socket.listen()

    def close(self):
        self.socket.close()


class Picture(Point):
    """Renders the number of its steps as the brightness of a picture."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}

    def reset(self, **arguments):
        self.steps = 0
        return super().reset(**arguments)

    def step(self, action):
        self.steps += 1
        return super().step(action)

    def render(self):
        return np.full((32, 32, 3), 20 * self.steps, np.uint8)


class TwoPictures(Picture):
    """Renders a list of pictures of different heights."""

    metadata = {"render_modes": ["rgb_array"]}

    def render(self):
        return [super().render(), np.full((16, 32, 3), 200, np.uint8)]


class NoPicture(Picture):
    """Its renderer fails."""

    def render(self):
        raise OSError("no display found")


for _task in (Picture, TwoPictures, NoPicture):
    _register(_task, limit=6)
