"""A task with images of random bytes, which no library can store in fewer: for the benchmarks of
this library and of its peers, which install Gymnasium and NumPy too."""

import gymnasium
import numpy as np
from gymnasium import spaces

_IMAGES = 64
"""Different images, so that drawing one takes no time."""
_LENGTH = 500


class Images(gymnasium.Env):
    """Six actions, and an image of `size` x `size` pixels with `channels`."""

    action_space = spaces.Box(-1, 1, (6,), np.float32)

    def __init__(self, size: int, channels: int = 3):
        shape = (size, size, channels)
        self.observation_space = spaces.Box(0, 255, shape, np.uint8)
        generator = np.random.default_rng(0)
        self._images = generator.integers(0, 256, (_IMAGES, *shape), np.uint8)
        self._steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed, options=options)
        self._steps = 0
        return self._images[0], {}

    def step(self, action):
        self._steps += 1
        image = self._images[self._steps % _IMAGES]
        return image, float(action[0]), False, self._steps == _LENGTH, {}
