"""Data sets of Minari (minari.farama.org): their episodes, checked against a task. Only this module
and `dataset_writer` know Minari."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from sac_tf.environments.conversion import ActionWriter, one_hot
from sac_tf.environments.spaces import action_leaves, observation_leaves
from sac_tf.errors import ConfigurationError
from sac_tf.files import absolute
from sac_tf.leaves import ObservationLeaf, nest_of, pick
from sac_tf.replay.columns import Trajectory
from sac_tf.types import EnvironmentSpec

METADATA = Path("data", "metadata.json")
"""Where the folder of a data set has its description."""


def is_dataset(folder: Path) -> bool:
    """Returns whether a folder is that of a Minari data set."""
    return (folder / METADATA).is_file()


@dataclasses.dataclass(frozen=True)
class MinariEpisodes:
    """The episodes of a Minari data set. An `Episodes`.

    Attributes:
      name: of the data set, for messages.
      data: the `minari.MinariDataset`.
      spec: of the task.
    """

    name: str
    data: Any
    spec: EnvironmentSpec

    @classmethod
    def open(cls, name: str | Path, title: str, spec: EnvironmentSpec) -> "MinariEpisodes":
        """Opens a data set of a task.

        Args:
          name: an id in the local store of Minari, or the folder of a data set.
          title: of the task, for messages.
          spec: of the task.

        Raises:
          ConfigurationError: there is no such data set, it cannot be read, it is empty, or it is of
            another task.
        """
        data = _open(name)
        difference = _spec_of(name, data, spec).difference(spec)
        if difference is not None:
            raise ConfigurationError(f"The data set {name} is not of {title}: it has {difference}.")
        return cls(str(name), data, spec)

    @classmethod
    def named(cls, name: str, title: str, spec: EnvironmentSpec) -> "MinariEpisodes":
        """As `open`, of a folder if there is one with this name, and else of an id."""
        path = absolute(name)
        return cls.open(path if path.exists() else name, title, spec)

    @property
    def transitions(self) -> int:
        with _reading(self.name):
            return int(self.data.total_steps)

    @property
    def rows(self) -> int:
        return self.transitions + int(self.data.total_episodes)

    def __iter__(self) -> Iterator[Trajectory]:
        episodes = self.data.iterate_episodes()
        for _ in range(self.data.total_episodes):
            with _reading(self.name):
                episode = self._trajectory(next(episodes))
            yield episode

    def _trajectory(self, episode: Any) -> Trajectory:
        """Returns an episode of Minari in the units of the library. A step whose termination is not
        reported bootstraps, also where the episode ends: a time limit does not end a value."""
        steps = len(episode.rewards)
        leaves = self.spec.observation_leaves
        observation = [
            _read(leaf, np.asarray(pick(episode.observations, leaf.path)), steps + 1)
            for leaf in leaves
        ]
        action = ActionWriter(self.spec.action_leaves).read(episode.actions)
        if len(action) != steps:
            raise ValueError(f"episode {episode.id} has {len(action)} actions for {steps} rewards")
        return Trajectory(
            observation=nest_of([leaf.path for leaf in leaves], observation),
            action=action,
            reward=np.asarray(episode.rewards, np.float32),
            discount=1.0 - np.asarray(episode.terminations).astype(np.float32),
        )


RECORDED_SPACES = "sac_tf.replay.dataset:RecordedSpaces"
"""The task of a run that has none."""


class RecordedSpaces(gymnasium.Env):
    """The spaces of a data set, for learning where its task cannot be made. It cannot be played."""

    def __init__(self, dataset: str):
        """Takes the id of a Minari data set, or its folder.

        Raises:
          ConfigurationError: there is no such data set, it cannot be read, or it is empty.
        """
        folder = Path(dataset)
        if folder.exists() and not is_dataset(folder):
            raise ConfigurationError(
                f"Give train.environment: {dataset} is not a Minari data set, which has spaces."
            )
        data = _open(folder if folder.exists() else dataset)
        self.observation_space = _images(data.observation_space)
        self.action_space = data.action_space

    def reset(self, **arguments: Any) -> tuple[Any, dict]:
        del arguments
        raise RuntimeError("the run had no train.environment: its policy can only be exported")


def reference_returns(name: str | Path) -> tuple[float, float] | None:
    """Returns the returns of a random and of an expert policy that a data set names, or None;
    arguments and errors as for `MinariEpisodes.open`."""
    metadata = _open(name).storage.metadata
    low, high = (metadata.get(f"ref_{end}_score") for end in ("min", "max"))
    return None if low is None or high is None else (float(low), float(high))


def _open(name: str | Path) -> Any:
    """Returns a `minari.MinariDataset` that has episodes; arguments and errors as for
    `MinariEpisodes.open`."""
    minari = import_minari()
    with _reading(name):
        try:
            if isinstance(name, Path):
                data = minari.MinariDataset(name / METADATA.parent)
            else:
                data = minari.load_dataset(name)
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"There is no data set {name}: it is neither a folder, nor in the local store "
                "of Minari (minari list local; minari download ID)."
            ) from error
        total = data.total_episodes
    if not total:
        raise ConfigurationError(f"The data set {name} has no episodes.")
    return data


def _read(leaf: ObservationLeaf, array: np.ndarray, number: int) -> np.ndarray:
    """Returns an array [number, ...] of observations as the networks take it."""
    if len(array) != number:
        raise ValueError(f"an episode has {len(array)} observations for {number - 1} steps")
    if leaf.categories:
        return one_hot(leaf, array)
    while leaf.dtype == "uint8" and array.ndim > len(leaf.shape) + 1:
        array = array[:, 0]  # see `_images`
    return array.astype(leaf.encoded_dtype)


def _spec_of(name: str | Path, data: Any, spec: EnvironmentSpec) -> EnvironmentSpec:
    """Returns the spec of a data set, in which a stack of frames may have its newest one only."""
    title = f"The data set {name}"
    observations = observation_leaves(title, _images(data.observation_space))
    stacked = {leaf.path: leaf for leaf in spec.observation_leaves if leaf.frames > 1}
    return EnvironmentSpec(
        tuple(_as_stacked(leaf, stacked.get(leaf.path)) for leaf in observations),
        action_leaves(title, data.action_space),
    )


def _as_stacked(leaf: ObservationLeaf, stack: ObservationLeaf | None) -> ObservationLeaf:
    """Returns `stack` if `leaf` is a frame of it, or is the same stack."""
    if stack is None:
        return leaf
    *outer, depth = leaf.shape or (1,)
    shapes = ((*outer, depth), (*outer, depth * stack.frames))
    return stack if stack.shape in shapes and leaf.dtype == stack.dtype else leaf


def _images(space: gymnasium.Space) -> gymnasium.Space:
    """Returns a space with images [H, W, C] instead of [1, H, W, C], and matrices of bytes [H, W]
    instead of [1, 1, H, W], which Minari stores as they are: it compresses the others as JPEG."""
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: _images(part) for key, part in space.items()})
    if isinstance(space, spaces.Tuple):
        return spaces.Tuple([_images(part) for part in space])
    if not (isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 4):
        return space
    first = (0, 0) if space.shape[:2] == (1, 1) else (0,)
    return spaces.Box(space.low[first], space.high[first], dtype=np.uint8)


def import_minari() -> Any:
    try:
        import minari
    except ImportError as error:
        raise ConfigurationError(
            "Data sets need the package Minari: pip install 'sac_tf[minari]'."
        ) from error
    return minari


@contextlib.contextmanager
def _reading(name: str | Path) -> Iterator[None]:
    """Raises what goes wrong while a data set is read as one sentence."""
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:  # Minari and HDF5 raise many kinds for a file that is damaged
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigurationError(f"The data set {name} cannot be read ({reason}).") from error
