"""Frame stacks: the newest observations of an episode as one, so that a policy can see motion."""

import copy
from typing import Any

import gymnasium
import numpy as np
import tree
from gymnasium import spaces

from sac_tf.errors import ConfigurationError


def stack_frames(title: str, environment: gymnasium.Env, frames: int) -> gymnasium.Env:
    """Returns an environment that observes its `frames` newest observations, oldest first, each
    array joined along its last axis. At the beginning of an episode the first one is repeated.

    Args:
      title: of the task, for messages.
      environment: whose observations are Boxes, or Dicts and Tuples of them.
      frames: number of observations.

    Raises:
      ConfigurationError: another space.
    """
    space = _joined_space(title, environment.observation_space, frames)
    # The wrapper keeps what it is given, and a task may write into it again.
    copied = gymnasium.wrappers.TransformObservation(environment, copy.deepcopy, None)
    stacked = gymnasium.wrappers.FrameStackObservation(copied, frames, padding_type="reset")
    return gymnasium.wrappers.TransformObservation(
        stacked, lambda observation: tree.map_structure(_joined, observation), space
    )


def _joined(frames: np.ndarray) -> np.ndarray:
    """Returns [..., n * C] of n frames [n, ..., C]."""
    return np.concatenate([np.atleast_1d(frame) for frame in frames], axis=-1)


def _joined_space(title: str, space: gymnasium.Space, frames: int) -> Any:
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: _joined_space(title, part, frames) for key, part in space.items()})
    if isinstance(space, spaces.Tuple):
        return spaces.Tuple([_joined_space(title, part, frames) for part in space])
    if not isinstance(space, spaces.Box):
        raise ConfigurationError(
            f"environment.frame_stack={frames} needs observations that are arrays of numbers, and "
            f"{title} observes {space}; leave it out."
        )
    low, high = (_joined(np.stack([bound] * frames)) for bound in (space.low, space.high))
    return spaces.Box(low, high, dtype=space.dtype)
