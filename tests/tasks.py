"""Small tasks that behave as users' own environments do: `tests.tasks:LongEpisode-v0`, for example.

`Plain` is well behaved; each of the others has one peculiarity.
"""

import os
import socket
import time

import gymnasium
import numpy as np
from gymnasium import spaces


class Plain(gymnasium.Env):
    """A point to be held at 0; 50 steps."""

    observation_space = spaces.Box(-10, 10, (3,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._position = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return self._observation(), {}

    def step(self, action):
        moved = self._position + 0.1 * np.float32(action[0])
        self._position = np.clip(moved, -10, 10).astype(np.float32)
        return self._observation(), float(-abs(self._position[0])), False, False, {}

    def _observation(self):
        return self._position.copy()


class LongEpisode(Plain):
    """Observes its own step: longer than a short checkpoint period."""

    def reset(self, *, seed=None, options=None):
        self._step = 0
        return super().reset(seed=seed)

    def step(self, action):
        self._step += 1
        return super().step(action)

    def _observation(self):
        return np.float32([self._step / 100, self._position[0], 0])


class Endless(LongEpisode):
    """No time limit, never terminates."""


class UnevenEnds(Plain):
    """Terminates at random, so that environments that are stepped together end at different
    steps."""

    def step(self, action):
        observation, reward, _, truncated, info = super().step(action)
        return observation, reward, bool(self.np_random.random() < 0.02), truncated, info


class WideObservation(Plain):
    """80 kB for an observation."""

    observation_space = spaces.Box(-10, 10, (20_000,), np.float32)

    def _observation(self):
        return np.resize(self._position, 20_000)


class _Raises(Plain):
    """Raises in the step number `last` + 1 of all its instances."""

    count = 0
    last = 129
    error: BaseException = RuntimeError("joint 3 is\nout of range")

    def step(self, action):
        type(self).count += 1
        if type(self).count > self.last:
            # A new error each time: the traceback of a raised one would keep the run alive.
            raise type(self.error)(*self.error.args)
        return super().step(action)


class JointError(_Raises):
    pass


class ConnectionLost(_Raises):
    error = ConnectionResetError(104, "Connection reset by peer")


class SimulatorTimeout(_Raises):
    error = TimeoutError("simulator did not answer within 5 s")


class SimulatorExits(_Raises):
    error = SystemExit(3)


class ResetFails(Plain):
    """The simulator is gone in the third reset of all its instances."""

    count = 0

    def reset(self, **arguments):
        type(self).count += 1
        if type(self).count >= 3:
            raise ConnectionResetError("simulator is gone")
        return super().reset(**arguments)


class ReusedBuffer(Plain):
    """Writes into the array that it returned before; counts up from 100 x episode."""

    observation_space = spaces.Box(-1e6, 1e6, (1,), np.float32)

    def __init__(self):
        self._buffer = np.zeros(1, np.float32)
        self._episode = 0

    def reset(self, *, seed=None, options=None):
        self._episode += 1
        self._buffer[0] = 100 * self._episode
        return self._buffer, {}

    def step(self, action):
        self._buffer += 1
        return self._buffer, 0.0, False, False, {}


class ChangesDirectory(Plain):
    """Changes the working directory to find its assets."""

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        os.chdir("/")


def _register(cls, limit):
    name = f"{cls.__name__}-v0"
    if name not in gymnasium.registry:
        gymnasium.register(name, cls, max_episode_steps=limit, disable_env_checker=True)


for _class, _limit in {
    Plain: 50,
    LongEpisode: 1000,
    Endless: None,
    UnevenEnds: 150,
    WideObservation: 50,
    JointError: 50,
    ConnectionLost: 50,
    SimulatorTimeout: 50,
    SimulatorExits: 50,
    ResetFails: 40,
    ReusedBuffer: 5,
    ChangesDirectory: 5,
}.items():
    _register(_class, _limit)


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


def _task(task, limit=10):
    _register(task, limit)
    return task


_task(Point)


class Slow(Point):
    """10 ms a step, 500 steps."""

    def step(self, action):
        time.sleep(0.01)
        return super().step(action)


_task(Slow, limit=500)


@_task
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


@_task
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


@_task
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


for _picture in (Picture, TwoPictures, NoPicture):
    _register(_picture, 6)
