"""Recording of Minari data sets (minari.farama.org): collects the episodes of an environment, and
writes them."""

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces

from sac_tf.environments.environment import INTERVENE_ACTION
from sac_tf.errors import ConfigurationError
from sac_tf.files import absolute, make_folder
from sac_tf.replay.dataset import METADATA, import_minari

_ID = re.compile(r"(?:\w[-\w/]*/)?[-\w]+-v\d+")
"""Of a data set in the local store, with namespaces."""


class Played(NamedTuple):
    """An episode of T steps in the units of the task.

    Attributes:
      seed: of its reset, or None.
      observations: T + 1, the final one last.
      actions, rewards, terminations, truncations: T each.
    """

    seed: int | None
    observations: list[Any]
    actions: list[Any]
    rewards: list[float]
    terminations: list[bool]
    truncations: list[bool]


class Recorder(gymnasium.Wrapper):
    """Remembers the episodes that its environment plays, as the task has them, with the actions
    that were executed.

    Attributes:
      last: the last one that has ended.
    """

    last: Played
    _playing: Played

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[Any, dict]:
        observation, info = self.env.reset(seed=seed, options=options)
        self._playing = Played(seed, [copy.deepcopy(observation)], [], [], [], [])
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict]:
        taken = copy.deepcopy(action)
        observation, reward, terminated, truncated, info = self.env.step(action)
        if info.get(INTERVENE_ACTION) is not None:
            taken = copy.deepcopy(info[INTERVENE_ACTION])
        self._playing.observations.append(copy.deepcopy(observation))
        self._playing.actions.append(taken)
        self._playing.rewards.append(float(reward))
        self._playing.terminations.append(bool(terminated))
        self._playing.truncations.append(bool(truncated))
        if terminated or truncated:
            self.last = self._playing
        return observation, reward, terminated, truncated, info


class MinariWriter:
    """Writes a Minari data set, episode by episode."""

    def __init__(self, folder: Path, name: str, environment: gymnasium.Env, description: str):
        """Begins an empty data set.

        Args:
          folder: of the data set; it exists, and is empty.
          name: its id.
          environment: whose episodes are recorded, without the wrapper that records them.
          description: of what acts.
        """
        minari = import_minari()
        data = folder / METADATA.parent
        self._observations = _stored(environment.observation_space)
        self._actions = environment.action_space
        self._storage = minari.dataset.minari_storage.MinariStorage.new(
            data, self._observations, self._actions, _env_spec(environment)
        )
        self._storage.update_metadata(
            {
                "dataset_id": name,
                "minari_version": minari.__version__,
                "algorithm_name": description,
            }
        )

    def add(self, episode: Played) -> None:
        """Writes an episode."""
        buffer = import_minari().data_collector.EpisodeBuffer(
            seed=episode.seed,
            observations=_joined(self._observations, episode.observations),
            actions=_joined(self._actions, episode.actions),
            rewards=episode.rewards,
            terminations=episode.terminations,
            truncations=episode.truncations,
        )
        self._storage.update_episodes([buffer])


def _stored(space: gymnasium.Space) -> gymnasium.Space:
    """Returns a space with images [1, H, W, C] instead of [H, W, C], and matrices of bytes
    [1, 1, H, W] instead of [H, W], which Minari would compress as JPEG."""
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: _stored(part) for key, part in space.items()})
    if isinstance(space, spaces.Tuple):
        return spaces.Tuple([_stored(part) for part in space])
    if isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) in (2, 3):
        before = (np.newaxis,) * (4 - len(space.shape))
        return spaces.Box(space.low[before], space.high[before], dtype=np.uint8)
    return space


def _joined(space: gymnasium.Space, values: Sequence[Any]) -> Any:
    """Returns T values of a space as one nest of arrays [T, ...]."""
    if isinstance(space, spaces.Dict):
        return {key: _joined(part, [one[key] for one in values]) for key, part in space.items()}
    if isinstance(space, spaces.Tuple):
        parts = enumerate(space)
        return tuple(_joined(part, [one[place] for one in values]) for place, part in parts)
    array = np.array(values, space.dtype).reshape(len(values), *space.shape)
    # Minari takes an array of bytes [T, N] for an image.
    return list(array) if array.dtype == np.uint8 and array.ndim == 2 else array


def _env_spec(environment: gymnasium.Env) -> Any:
    """Returns how Gymnasium makes an environment; None if JSON cannot hold it."""
    try:
        environment.spec.to_json()
    except Exception:  # no spec, or one with a function in it
        return None
    return environment.spec


def new_dataset(output: str) -> tuple[Path, str]:
    """Returns the folder and the id of a data set that will be written.

    Args:
      output: an id with a version, such as "pendulum/expert-v0", for the local store of Minari; any
        other text is the path of a folder, which gives the id.

    Raises:
      ConfigurationError: there is something at that place, or nothing can be written there.
    """
    minari = import_minari()
    name = output
    if _ID.fullmatch(output):
        folder = minari.storage.get_dataset_path(output)
    else:
        folder = absolute(output)
        bare = re.sub(r"[^-\w]", "_", folder.name)
        name = bare if _ID.fullmatch(bare) else f"{bare}-v0"
    if folder.exists():
        raise ConfigurationError(
            f"--output={output} exists already, in {folder}; give another one."
        )
    make_folder(folder.parent, f"--output={output}")
    return folder, name
