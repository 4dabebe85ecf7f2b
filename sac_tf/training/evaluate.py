"""Evaluates the policy's mean action in episodes that end in bounded time."""

from collections.abc import Callable

import gin

from sac_tf.environments.environment import Environment
from sac_tf.errors import ConfigurationError, require_count
from sac_tf.runs.episodes import EpisodeInfo
from sac_tf.runs.logs import say
from sac_tf.training.collecting import EpisodeTally
from sac_tf.types import Act, Episode, Evaluation

_MAX_EPISODE_STEPS = 1000
"""Bound of an episode where neither the task nor a setting has one."""

OnProgress = Callable[[int, int], None]
"""Called with (episodes done, episodes in all)."""


@gin.configurable
def mean_return(evaluation: Evaluation) -> tuple[float, ...]:
    """A score of evaluations: the mean return. Scores are compared as tuples."""
    return (evaluation.return_mean,)


@gin.configurable
def success_rate(evaluation: Evaluation) -> tuple[float, ...]:
    """A score of evaluations: the success rate, then the mean return."""
    rate = evaluation.success_rate
    return (-1.0 if rate is None else rate, evaluation.return_mean)


@gin.configurable
class Evaluator:
    """Plays whole episodes with the mean action.

    Args:
      make_environment: f(E) makes E environments that are stepped together.
      make_act: f(E) returns how the policy acts in E environments.
      training_environment: used instead of new environments if `in_training_environment`, and not
        closed here; None: one environment is made.
      is_interrupted: whether evaluations should end.
      episodes: of one evaluation; 0 for no evaluations.
      environments: stepped together, so that one call of the policy serves all of them. None: one
        for each episode; 1: one episode after another.
      max_episode_steps: an episode that has not ended after these steps counts with its return so
        far. None: the time limit of the task, or 1,000 if it has none.
      in_training_environment: play in the environment that also trains, for tasks of which only one
        instance can exist.
      info: what is read from the episodes.
      score: of an evaluation: `mean_return` or `success_rate`.

    Attributes:
      episodes, in_training_environment, score: as given.
      info: what is read from the episodes.
      max_steps: bound of an episode; None if there are no episodes.
    """

    def __init__(
        self,
        make_environment: Callable[[int], Environment],
        make_act: Callable[[int], Act],
        training_environment: Environment | None,
        is_interrupted: Callable[[], bool],
        episodes: int = 10,
        environments: int | None = None,
        max_episode_steps: int | None = None,
        in_training_environment: bool = False,
        info: Callable[[], EpisodeInfo] = EpisodeInfo,
        score: Callable[[Evaluation], tuple[float, ...]] = mean_return,
    ):
        """Makes the evaluation environments.

        Raises:
          ConfigurationError: a number out of range, or a task that cannot be made.
        """
        self.episodes = require_count("Evaluator.episodes", episodes, minimum=0)
        self.in_training_environment = in_training_environment
        self.info = info()
        self.score = score
        self.max_steps = max_episode_steps
        self._is_interrupted = is_interrupted
        self._environment = training_environment if in_training_environment else None
        self._own: Environment | None = None
        number = self._number(environments)
        if max_episode_steps is not None:
            require_count("Evaluator.max_episode_steps", max_episode_steps)
        if self.episodes == 0:
            return
        if self._environment is None:
            self._own = make_environment(number)
            self._environment = self._own
        self._act = make_act(self._environment.num_environments)
        self.max_steps = max_episode_steps or _time_limit(self._environment)

    def _number(self, environments: int | None) -> int:
        """Returns how many environments to make."""
        if environments is None:
            return 1 if self.in_training_environment else max(1, self.episodes)
        require_count("Evaluator.environments", environments)
        if self.in_training_environment and environments > 1:
            raise ConfigurationError(
                f"Evaluator.environments={environments} and Evaluator.in_training_environment=True "
                "contradict each other; leave one of them out."
            )
        return min(environments, max(1, self.episodes))

    def evaluate(self, seed: int, on_progress: OnProgress | None = None) -> Evaluation | None:
        """Returns the result of all episodes; the same seed gives the same initial states.

        Args:
          seed: of the first episode; the others count up.
          on_progress: called after each step.

        Returns: None if it was interrupted, or if there are no episodes.
        """
        episodes = self.play(seed, on_progress)
        return self.info.summarize(episodes) if episodes else None

    def play(self, seed: int, on_progress: OnProgress | None = None) -> list[Episode] | None:
        """As `evaluate`, but returns the episodes."""
        played: list[Episode] = []
        while len(played) < self.episodes:
            assert self._environment is not None
            done = len(played)

            def on_step(ended: int, done: int = done) -> None:
                if on_progress is not None:
                    on_progress(done + ended, self.episodes)

            number = min(self._environment.num_environments, self.episodes - done)
            episodes = play(
                self._environment,
                self._act,
                seed + done,
                number=number,
                max_steps=self.max_steps,
                is_interrupted=self._is_interrupted,
                on_step=on_step,
            )
            if episodes is None:
                return None
            played += episodes
        return played

    def close(self) -> None:
        """Closes the environments that were made here."""
        if self._own is not None:
            self._own.close()


def _time_limit(environment: Environment) -> int:
    """Returns the time limit of the task, or says that it has none and returns 1,000."""
    if environment.max_episode_steps is not None:
        return environment.max_episode_steps
    say(
        f"The task has no time limit: episodes of an evaluation end after {_MAX_EPISODE_STEPS:,} "
        "steps (Evaluator.max_episode_steps)."
    )
    return _MAX_EPISODE_STEPS


def play(
    environment: Environment,
    act: Act,
    seed: int,
    *,
    number: int | None = None,
    max_steps: int | None = None,
    is_interrupted: Callable[[], bool] = lambda: False,
    on_step: Callable[[int], None] = lambda _: None,
) -> list[Episode] | None:
    """Plays the first episode of the E environments, and returns these episodes in their order.

    Args:
      environment, act: reset here; chooses the actions.
      seed: of the first environment; the others count up.
      number: the first environments whose episodes count; None: all.
      max_steps: an episode that has not ended by then is returned as it is; None: no bound.
      is_interrupted: read before each step.
      on_step: called after each step with the number of ended episodes.

    Returns: None if it was interrupted.
    """
    counted = range(environment.num_environments if number is None else number)
    tally = EpisodeTally(environment.num_environments)
    first: dict[int, Episode] = {}
    observation = environment.reset(seed)
    steps = 0
    while not is_interrupted():
        steps += 1
        step = environment.step(act(observation))
        for episode in tally.add(step):
            first.setdefault(episode.environment, episode)
        if steps == max_steps:
            first |= {index: tally.end(index) for index in counted if index not in first}
        played = [first[index] for index in counted if index in first]
        on_step(len(played))
        if len(played) == len(counted):
            return played
        observation = step.observation
    return None
