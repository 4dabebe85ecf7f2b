"""The steps that a run has collected, written as a data set."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sac_tf import files
from sac_tf.environments.conversion import ActionWriter, categories
from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError
from sac_tf.leaves import nest_of, pick
from sac_tf.replay.columns import Trajectory
from sac_tf.replay.dataset_writer import MinariWriter, Played, new_dataset
from sac_tf.training.datasets import ReplayEpisodes, dataset_of
from sac_tf.training.recording import Recorded, make_recorder
from sac_tf.types import EnvironmentSpec, Episode


def write_collected(root_dir: Path, factory: EnvironmentFactory, output: str) -> Recorded:
    """Writes the episodes in the replay of a run as a data set, which appears when it is complete.

    Args:
      root_dir: of the run, whose newest checkpoint counts.
      factory: of its task.
      output: id or path of the data set, see `new_dataset`.

    Raises:
      ConfigurationError: the data set exists, or the run has no steps that can be listed.
    """
    if dataset_of(root_dir) is not None:
        raise ConfigurationError(
            f"The run in {root_dir} learned from a data set and has collected nothing."
        )
    folder, name = new_dataset(output)
    spec = factory.spec()
    collected = ReplayEpisodes.open(root_dir, factory.title, spec)
    recorded: list[Episode] = []
    environment, recorder = make_recorder(factory)

    def write(unfinished: Path) -> None:
        writer = MinariWriter(unfinished, name, recorder.env, f"replay of {root_dir.name}")
        for episode in _episodes(collected, spec):
            writer.add(episode)
            recorded.append(Episode(sum(episode.rewards), len(episode.rewards), environment=0))

    with contextlib.closing(environment):
        files.replace_folder(folder, write)
    return Recorded(folder, recorded)


def _episodes(collected: ReplayEpisodes, spec: EnvironmentSpec) -> Iterator[Played]:
    """Yields episodes in the units of the task. A last step that does not terminate is truncated,
    by a time limit or by a checkpoint."""
    writer = ActionWriter(spec.action_leaves)
    for episode in collected:
        terminations = episode.discount == 0
        truncations = np.zeros_like(terminations)
        truncations[-1] = not terminations[-1]
        yield Played(
            seed=None,
            observations=_observations(episode, spec),
            actions=writer.write(episode.action),
            rewards=episode.reward.tolist(),
            terminations=terminations.tolist(),
            truncations=truncations.tolist(),
        )


def _observations(episode: Trajectory, spec: EnvironmentSpec) -> list:
    """Returns the T + 1 observations of an episode."""
    arrays = []
    for leaf in spec.observation_leaves:
        encoded = pick(episode.observation, leaf.path)
        arrays.append(categories(leaf, encoded) if leaf.categories else encoded)
    paths = [leaf.path for leaf in spec.observation_leaves]
    return [nest_of(paths, [array[step] for array in arrays]) for step in range(len(arrays[0]))]
