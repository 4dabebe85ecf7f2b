"""Data sets by name: a Minari data set, or the steps that another run has collected."""

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import gin
import numpy as np
import tensorflow as tf

from sac_tf.agents.agent import TrainState
from sac_tf.errors import ConfigurationError, RunError, require_count, require_number
from sac_tf.files import absolute
from sac_tf.networks.running_normalization import make_observer
from sac_tf.replay.columns import Trajectory
from sac_tf.replay.dataset import MinariEpisodes, is_dataset
from sac_tf.replay.mixture import PRIOR_DATA
from sac_tf.replay.prior_data import Episodes, PriorData
from sac_tf.replay.protocols import RewardScale
from sac_tf.replay.saved import Summary, saved_episodes
from sac_tf.replay.windows import Windows
from sac_tf.runs import folder, task_spec
from sac_tf.runs.checkpoints import CheckpointStore
from sac_tf.runs.configuration import read_settings
from sac_tf.types import EnvironmentSpec, Transition


def absolute_name(name: str) -> str:
    """Returns the name of a data set that stays valid in another working directory: an absolute
    path if there is such a folder, else an id of Minari."""
    path = absolute(name)
    return str(path) if path.exists() else name


def open_episodes(name: str, title: str, spec: EnvironmentSpec) -> Episodes:
    """Returns the episodes of a data set.

    Args:
      name: folder of a run, whose newest checkpoint counts, and of an offline one its data set; or
        the folder of a Minari data set, or an id in the local store of Minari.
      title: of the task, for messages.
      spec: of the task.

    Raises:
      ConfigurationError: there is no such data set, it cannot be read, it is empty, or it is of
        another task.
    """
    path = Path(name)
    if (path / folder.CONFIGURATION).is_file():
        dataset = dataset_of(path)
        if dataset is None:
            return ReplayEpisodes.open(path, title, spec)
        return open_episodes(dataset, title, spec)
    if path.exists() and not is_dataset(path):
        raise ConfigurationError(
            f"{name} is neither the folder of a run nor of a Minari data set (data/metadata.json)."
        )
    return MinariEpisodes.open(path if path.exists() else name, title, spec)


def dataset_of(root_dir: Path) -> str | None:
    """Returns the name of the data set of an offline run; None for another run."""
    path = root_dir / folder.CONFIGURATION
    settings = read_settings(path) if path.is_file() else {}
    name = settings.get("train_offline.dataset")
    return None if name is None else ast.literal_eval(name)


@gin.configurable("prior_data")
@dataclasses.dataclass(frozen=True)
class PriorDataSettings:
    """Prior data in every batch of a run, such as demonstrations (RLPD, 2302.02948, section 4.1).
    They are read into memory, and nothing evicts them.

    Attributes:
      dataset: id of a Minari data set in the local store, its folder, or the folder of another run
        whose steps are used.
      fraction: of the rows of each batch that are prior data.
      interventions: steps of the run for which the prior data have room: those of the episodes in
        which somebody took over. 0: interventions are in the replay only.
    """

    dataset: str | None = None
    fraction: float = 0.5
    interventions: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.dataset, str) or not self.dataset:
            raise ConfigurationError(
                "prior_data.dataset must be the id of a Minari data set or a folder, got "
                f"{self.dataset!r}."
            )
        object.__setattr__(self, "dataset", absolute_name(self.dataset))
        require_number(
            "prior_data.fraction",
            self.fraction,
            lambda x: 0 < x < 1,
            "a number above 0 and below 1",
        )
        require_count("prior_data.interventions", self.interventions, minimum=0)

    def read(
        self,
        windows: Windows,
        state: TrainState,
        rewards: RewardScale,
        title: str,
        spec: EnvironmentSpec,
        restore_from: Path | None,
    ) -> PriorData:
        """Returns the prior data of a run.

        Args:
          windows: of the task.
          state: its generator draws.
          rewards: of the run.
          title, spec: of the task.
          restore_from: what a checkpoint has of the replay, or None.

        Raises:
          ConfigurationError: a data set that cannot work, or that has changed.
        """
        assert self.dataset is not None
        episodes = open_episodes(self.dataset, title, spec)
        prior = PriorData(windows, episodes, state.generator, self.interventions)
        if restore_from is None:
            fill_with_statistics(prior, state, rewards)
        else:
            prior.fill()
            prior.restore(restore_from / PRIOR_DATA)
        return prior


def fill_with_statistics(data: PriorData, state: TrainState, rewards: RewardScale) -> None:
    """Reads the data of a new run, and updates its running statistics with all steps."""
    observe = make_observer(state)

    def visit(steps: Transition) -> None:
        observe(steps.observation)
        count_rewards(rewards, steps)

    data.fill(visit)
    rewards.end_episodes()


def count_rewards(rewards: RewardScale, steps: Transition) -> None:
    """Updates the running statistics of the rewards with an episode, leaves [T, ...]."""
    last = len(steps.reward) - 1
    for step, (reward, discount) in enumerate(zip(steps.reward, steps.discount, strict=True)):
        transition = Transition(None, None, reward[None], discount[None], None)
        rewards.update(transition, ended=[0] if step == last else [])


@dataclasses.dataclass(frozen=True)
class ReplayEpisodes:
    """The steps in the newest checkpoint of a run. An `Episodes`.

    Attributes:
      name: folder of the run.
      saved: folder of the replay in its checkpoint.
      windows: with the columns of that replay.
    """

    name: str
    saved: Path
    windows: Windows

    @classmethod
    def open(cls, root_dir: Path, title: str, spec: EnvironmentSpec) -> "ReplayEpisodes":
        """Opens the replay of the run in `root_dir`; arguments and errors as `open_episodes`."""
        try:
            checkpoint = CheckpointStore(root_dir / folder.CHECKPOINTS).latest()
        except RunError as error:
            raise ConfigurationError(f"The run in {root_dir} has no intact checkpoint.") from error
        there = task_spec.load(root_dir)
        if checkpoint is None or there is None:
            raise ConfigurationError(f"The run in {root_dir} has no checkpoint yet.")
        difference = there.difference(spec)
        if difference is not None:
            raise ConfigurationError(
                f"The run in {root_dir} is not of {title}: it has {difference}."
            )
        saved = checkpoint / folder.REPLAY
        summary = Summary.load(saved)
        if not summary.rows:
            raise ConfigurationError(
                f"The checkpoint of the run in {root_dir} has no steps that can be listed: replay "
                "servers keep them, or Reverb's own sampler (BatchReader.sampler)."
            )
        for with_return_to_go in (False, True):
            windows = Windows(
                spec, 1.0, None, n=1, with_return_to_go=with_return_to_go, hindsight=None
            )
            if windows.columns.widths == summary.widths:
                return cls(str(root_dir), saved, windows)
        raise ConfigurationError(
            f"The steps of the run in {root_dir} have {summary.widths} numbers, and those of "
            f"{title} have others."
        )

    @property
    def rows(self) -> int:
        return Summary.load(self.saved).rows

    def __iter__(self) -> Iterator[Trajectory]:
        for rows in saved_episodes(self.saved, self.windows):
            steps = self.windows.columns.unpack(
                {dtype: column[np.newaxis] for dtype, column in rows.items()}
            )
            whole = Trajectory(steps.observation, steps.action, steps.reward, steps.discount)
            observation, *others = tf.nest.map_structure(lambda array: np.asarray(array)[0], whole)
            yield Trajectory(observation, *(array[:-1] for array in others))
