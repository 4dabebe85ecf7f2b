"""Gymnasium spaces as the leaves of an `EnvironmentSpec`, and the spaces that are refused."""

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from sac_tf.errors import ConfigurationError
from sac_tf.leaves import ActionLeaf, ObservationLeaf, action_names, observation_names

UNBOUNDED = 1e38
"""Bounds from here on stand for no bound: float32 ends at 3.4e38."""
_IMAGE_RANK = 3

Path = tuple[str | int, ...]


def observation_leaves(title: str, space: gymnasium.Space) -> tuple[ObservationLeaf, ...]:
    """Returns the arrays of an observation space: Box, Discrete, MultiDiscrete, MultiBinary, and
    Dict and Tuple of them.

    Args:
      title: of the task, for messages.
      space: the observation space.

    Raises:
      ConfigurationError: the space has another part, an image with another order of axes, or no
        part at all.
    """
    paths, parts = _parts(title, "observation", space)
    named = zip(observation_names(paths), paths, parts, strict=True)
    return tuple(_observation_leaf(title, *part) for part in named)


def action_leaves(title: str, space: gymnasium.Space) -> tuple[ActionLeaf, ...]:
    """Returns the arrays of an action space: a float Box with finite bounds, or Dict and Tuple of
    them; arguments as above.

    Raises:
      ConfigurationError: a part of the space is not continuous or not bounded.
    """
    paths, parts = _parts(title, "action", space)
    named = zip(action_names(paths), paths, parts, strict=True)
    return tuple(_action_leaf(title, *part) for part in named)


def _parts(
    title: str, kind: str, space: gymnasium.Space
) -> tuple[list[Path], list[gymnasium.Space]]:
    """Returns the paths and spaces of all parts; raises ConfigurationError if there is none."""
    found = list(_leaves(space))
    if not found:
        raise ConfigurationError(f"{title} has the empty {kind} space {space}.")
    return [path for path, _ in found], [part for _, part in found]


def _leaves(space: gymnasium.Space, path: Path = ()) -> Iterator[tuple[Path, gymnasium.Space]]:
    """Yields (path, space) of each part in the order of `tf.nest.flatten`."""
    if isinstance(space, spaces.Dict):
        for key in sorted(space):
            yield from _leaves(space[key], (*path, key))
    elif isinstance(space, spaces.Tuple):
        for position, sub in enumerate(space):
            yield from _leaves(sub, (*path, position))
    else:
        yield path, space


def _observation_leaf(title: str, name: str, path: Path, space: gymnasium.Space) -> ObservationLeaf:
    where = "/".join(map(str, path)) or "/"
    if isinstance(space, spaces.Discrete):
        return _categories(name, path, space, [space.n], [space.start])
    if isinstance(space, spaces.MultiDiscrete):
        return _categories(name, path, space, space.nvec.flat, space.start.flat)
    if not isinstance(space, spaces.Box | spaces.MultiBinary):
        raise ConfigurationError(
            f"{title} has the observation space {space} at {where}, which is not an array of fixed "
            "size; wrap the environment in a gymnasium.wrappers.TransformObservation that returns "
            "a Box."
        )
    if space.dtype == np.uint8 and len(space.shape) >= _IMAGE_RANK:
        _require_channels_last(title, where, space)
    dtype = np.dtype(space.dtype)
    name_of_dtype = "float32" if np.issubdtype(dtype, np.floating) else dtype.name
    return ObservationLeaf(name, path, tuple(space.shape), name_of_dtype)


def _require_channels_last(title: str, where: str, space: gymnasium.Space) -> None:
    """Raises ConfigurationError if an image is not [height, width, channels]."""
    first, *others = space.shape
    if len(others) != 2 or first < min(others):  # channels are fewer than rows and columns
        raise ConfigurationError(
            f"{title} has an image at {where} of the shape {list(space.shape)}, which is not "
            "[height, width, channels]; wrap the environment in a "
            "gymnasium.wrappers.TransformObservation that moves the channels to the end."
        )


def _categories(
    name: str, path: Path, space: gymnasium.Space, sizes: Any, first: Any
) -> ObservationLeaf:
    return ObservationLeaf(
        name=name,
        path=path,
        shape=tuple(space.shape),
        dtype=np.dtype(space.dtype).name,
        categories=tuple(map(int, sizes)),
        start=tuple(map(int, first)),
    )


def _action_leaf(title: str, name: str, path: Path, space: gymnasium.Space) -> ActionLeaf:
    if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        where = f" at {'/'.join(map(str, path))}" if path else ""
        raise ConfigurationError(
            f"{title} has the action space {space}{where}; Soft Actor-Critic needs continuous "
            "actions (float Boxes). Some tasks have them as an option (environment.arguments)."
        )
    bounds = np.abs([space.low, space.high])
    if np.any(bounds >= min(UNBOUNDED, np.finfo(space.dtype).max)):
        raise ConfigurationError(
            f"{title} has the unbounded action space {space}; give it bounds with "
            "gymnasium.wrappers.TransformAction(env, lambda action: action, "
            "gymnasium.spaces.Box(-1, 1, shape)) in a function of yours, named in "
            "environment.wrappers."
        )
    return ActionLeaf(
        name=name,
        path=path,
        shape=tuple(space.shape),
        dtype=np.dtype(space.dtype).name,
        low=tuple(map(float, space.low.flat)),
        high=tuple(map(float, space.high.flat)),
    )
