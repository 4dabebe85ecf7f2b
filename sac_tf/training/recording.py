"""Recording: plays whole episodes and writes them as a data set."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import tree

from sac_tf import files
from sac_tf.environments.conversion import one_action
from sac_tf.environments.environment import Environment
from sac_tf.environments.factory import EnvironmentFactory, resolve
from sac_tf.environments.spaces import action_leaves
from sac_tf.errors import ConfigurationError, RunError
from sac_tf.leaves import Nest
from sac_tf.replay.dataset_writer import MinariWriter, Played, Recorder, new_dataset
from sac_tf.runs.checkpoints import one_line
from sac_tf.runs.episodes import EpisodeInfo
from sac_tf.runs.terminal import progress_bar, say
from sac_tf.training.evaluate import play
from sac_tf.types import Act, Episode

_TRIES = 10
"""Episodes, or steps, that are played for each one that has to succeed, at most."""
_MAX_EPISODE_STEPS = 1000
"""Time limit of an episode where the task has none."""


@dataclasses.dataclass(frozen=True)
class Player:
    """What plays a task.

    Attributes:
      factory: makes the environments of the task.
      begin: called with the environment after the reset of each episode, returns how to act in it.
      description: of what acts, for the data set.
      in_task_units: whether observations and actions are those of the task.
    """

    factory: EnvironmentFactory
    begin: Callable[[gymnasium.Env], Act]
    description: str
    in_task_units: bool


def demonstrator(name: str, factory: EnvironmentFactory) -> Player:
    """Returns a player of your own.

    Args:
      name: `module:function`, f(environment), called at the start of each episode, returns
        f(observation) -> action, both as the task has them.
      factory: of the task.

    Raises:
      ConfigurationError: it cannot be imported.
    """
    try:
        function = resolve(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"--demonstrator={name} cannot be imported ({error}); give module:function."
        ) from error

    def begin(environment: gymnasium.Env) -> Act:
        leaves = action_leaves(factory.title, environment.action_space)
        decide = _guarded(name, function, environment)

        def act(observations: Nest) -> Nest:
            observation = tree.map_structure(lambda array: array[0], observations)
            action = _guarded(name, decide, observation)
            return one_action(f"--demonstrator={name} returned", action, leaves)

        return act

    return Player(factory, begin, name, in_task_units=True)


def _guarded(name: str, function: Callable[[Any], Any], argument: Any) -> Any:
    try:
        return function(argument)
    except Exception as error:  # a demonstrator may raise anything
        raise RunError(
            f"--demonstrator={name} raised {type(error).__name__} ({one_line(error)})."
        ) from error


class _Interrupted(Exception):
    """A signal came before the last episode."""


class Size(NamedTuple):
    """What a data set will have.

    Attributes:
      number: of episodes, or of their steps; the last episode is whole and may exceed it.
      unit: "episode" or "step".
    """

    number: int
    unit: str

    def part(self, episode: Episode) -> int:
        """Returns what an episode adds."""
        return 1 if self.unit == "episode" else episode.length


class Recorded(NamedTuple):
    """A data set: its folder and its episodes."""

    folder: Path
    episodes: list[Episode]


def record(
    player: Player,
    output: str,
    size: Size,
    *,
    seed: int,
    successes_only: bool,
    is_interrupted: Callable[[], bool],
) -> Recorded | None:
    """Writes a data set, which appears when it is complete; returns None if it was interrupted.

    Args:
      player: what plays, and where.
      output: id or path of the data set, see `new_dataset`.
      size: of the data set.
      seed: of the first episode that is played; the others count up.
      successes_only: whether only episodes count that succeed at their last step.
      is_interrupted: read before each step.

    Raises:
      ConfigurationError: the data set exists, or the task reports no success.
      RunError: the task failed, or too few episodes succeeded.
    """
    folder, name = new_dataset(output)
    recorded: list[Episode] = []
    environment, recorder = make_recorder(player.factory, in_task_units=player.in_task_units)
    bar = progress_bar(size.number, "record", unit=size.unit)
    with contextlib.closing(environment), bar, contextlib.suppress(_Interrupted):

        def write(unfinished: Path) -> None:
            writer = MinariWriter(unfinished, name, recorder.env, player.description)
            plays = _plays(environment, recorder, player, seed, is_interrupted)
            for episode, played in _wanted(plays, size, successes_only):
                writer.add(played)
                recorded.append(episode)
                bar.update(size.part(episode))

        files.replace_folder(folder, write)
        return Recorded(folder, recorded)
    return None


def make_recorder(
    factory: EnvironmentFactory, in_task_units: bool = False
) -> tuple[Environment, Recorder]:
    """Returns an environment, and what remembers its episodes. Frames are remembered before they
    are stacked."""
    recorders: list[Recorder] = []

    def wrap(environment: gymnasium.Env) -> gymnasium.Env:
        recorders.append(Recorder(environment))
        return recorders[-1]

    wrappers = (*factory.training_wrappers, wrap)
    wrapped = dataclasses.replace(factory, training_wrappers=wrappers)
    environment = wrapped.make(in_task_units=in_task_units)
    if environment.max_episode_steps is None:
        say(
            f"The task has no time limit: episodes end after {_MAX_EPISODE_STEPS:,} steps "
            "(environment.max_episode_steps)."
        )
        environment.close()
        limited = dataclasses.replace(wrapped, max_episode_steps=_MAX_EPISODE_STEPS)
        environment = limited.make(in_task_units=in_task_units)
    return environment, recorders[-1]


def _plays(
    environment: Environment,
    recorder: Recorder,
    player: Player,
    seed: int,
    is_interrupted: Callable[[], bool],
) -> Iterator[tuple[Episode, Played]]:
    """Yields episodes without end, with what was remembered of each."""
    while True:
        act = _from_first_observation(player.begin, recorder.env)
        episode = play(environment, act, seed, is_interrupted=is_interrupted)
        if episode is None:
            raise _Interrupted
        yield episode[0], recorder.last
        seed += 1


def _from_first_observation(
    begin: Callable[[gymnasium.Env], Act], environment: gymnasium.Env
) -> Act:
    """Returns how to act in an episode that `begin` sees after its reset."""
    begun = functools.cache(begin)
    return lambda observation: begun(environment)(observation)


def _wanted(
    found: Iterator[tuple[Episode, Played]], size: Size, successes_only: bool
) -> Iterator[tuple[Episode, Played]]:
    """Yields the first of the episodes that count, until there are enough."""
    info = EpisodeInfo()
    kept = 0
    played = 0
    while played < _TRIES * size.number:
        episode, remembered = next(found)
        played += size.part(episode)
        success = info.success(episode) if successes_only else 1.0
        if success is None and info.success_once(episode) is None:
            raise ConfigurationError(
                "The task reports no success (EpisodeInfo.success_keys); leave --successes_only "
                "out."
            )
        if success:
            kept += size.part(episode)
            yield episode, remembered
        if kept >= size.number:
            return
    raise RunError(
        f"Only {kept} of {played} {size.unit}s succeeded, and --{size.unit}s={size.number} are "
        "wanted; nothing was written."
    )
