"""The environment interface: several environments of one task that are stepped together."""

from typing import Protocol

import numpy as np

from sac_tf.environments.goals import Goals
from sac_tf.types import EnvironmentSpec, Nest, Step

INTERVENE_ACTION = "intervene_action"
"""Entry of the `info` of a step in which somebody took over: the action that was executed, in the
task's own structure and bounds."""


class Environment(Protocol):
    """E environments of one task; each starts a new episode when its episode ends."""

    @property
    def spec(self) -> EnvironmentSpec:
        """The spec of one environment."""

    @property
    def num_environments(self) -> int:
        """E."""

    @property
    def max_episode_steps(self) -> int | None:
        """The time limit of an episode; None if the task has none."""

    @property
    def goals(self) -> Goals:
        """What the task says about other goals than its own."""

    @property
    def frames_per_second(self) -> float:
        """The frame rate at which a video of the task has the speed of the task."""

    def reset(self, seed: int) -> Nest:
        """Starts an episode in each environment and returns the first observations, nest of float32
        [E, ...].

        Args:
          seed: determines a different seed for each environment.
        """

    def step(self, action: np.ndarray) -> Step:
        """Takes one step in each environment, and starts new episodes where one ended.

        Args:
          action: float32 [E, A] in [-1, 1].

        Returns: a `Step` of E rows: `successor` is the state that was reached, and `observation`
          the one to act on next, which differ where an episode ended.
        """

    def render(self) -> np.ndarray:
        """Returns an image of the first environment, uint8 [height, width, 3], in the state that
        its last step reached; at an episode end too, where a new episode has begun already.

        Raises:
          RunError: the environment does not render images.
        """

    def close(self) -> None:
        """Releases the environments, which cannot be used afterwards."""
