"""Tasks with images: `tests.pixel_tasks:Reacher`, for example."""

import gymnasium
import numpy as np
from gymnasium import spaces

_SIZE = 32
_GRID = np.stack(np.meshgrid(np.arange(_SIZE), np.arange(_SIZE), indexing="ij"), -1)


class Reacher(gymnasium.Env):
    """A disc that has to reach another, both in [-1, 1]^2, seen from above. Each of the 20 steps
    moves it by up to 0.2 in each direction; its reward is minus the distance, and a distance below
    0.1 is success.

    A random policy gets -21.3, the best one -2.37.
    """

    observation_space = spaces.Box(0, 255, (_SIZE, _SIZE, 3), np.uint8)
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._steps = 0
        self.position, self.goal = self.np_random.uniform(-1, 1, (2, 2))
        return self._observation(), {}

    def step(self, action):
        self._steps += 1
        self.position = np.clip(self.position + 0.2 * action, -1, 1)
        distance = float(np.linalg.norm(self.position - self.goal))
        info = {"is_success": distance < 0.1}
        return self._observation(), -distance, False, self._steps == 20, info

    def _observation(self):
        image = np.zeros((_SIZE, _SIZE, 3), np.uint8)
        for channel, place in enumerate((self.position, self.goal)):
            center = (place + 1) / 2 * (_SIZE - 1)
            image[..., channel] = 255 * (np.linalg.norm(_GRID - center, axis=-1) <= 3)
        return image


class TwoCameras(Reacher):
    """Each disc is seen by a camera of its own; the position is a vector as well."""

    observation_space = spaces.Dict(
        left=spaces.Box(0, 255, (_SIZE, _SIZE, 1), np.uint8),
        right=spaces.Box(0, 255, (_SIZE, _SIZE, 1), np.uint8),
        position=spaces.Box(-1, 1, (2,), np.float64),
    )

    def _observation(self):
        image = super()._observation()
        return {
            "left": image[..., :1],
            "right": image[..., 1:2],
            "position": self.position.copy(),
        }


class ChannelsFirst(Reacher):
    """As PyTorch has them."""

    observation_space = spaces.Box(0, 255, (3, _SIZE, _SIZE), np.uint8)

    def _observation(self):
        return np.moveaxis(super()._observation(), -1, 0)


class StackFirst(ChannelsFirst):
    """Three frames, as PyTorch has them."""

    observation_space = spaces.Box(0, 255, (9, _SIZE, _SIZE), np.uint8)

    def _observation(self):
        return np.tile(super()._observation(), (3, 1, 1))


class FloatImages(Reacher):
    """Images of numbers in [0, 1]."""

    observation_space = spaces.Box(0, 1, (_SIZE, _SIZE, 3), np.float32)

    def _observation(self):
        return np.float32(super()._observation() / 255)


def bytes_of(environment):
    """A wrapper that makes bytes of numbers in [0, 1]."""
    box = spaces.Box(0, 255, environment.observation_space.shape, np.uint8)
    return gymnasium.wrappers.TransformObservation(
        environment, lambda image: np.uint8(255 * image), box
    )


class Untrue(Reacher):
    """Its images have other numbers than their space says."""

    def __init__(self, scale=1 / 255):
        self._scale = scale

    def _observation(self):
        return np.asarray(super()._observation(), int) * self._scale
