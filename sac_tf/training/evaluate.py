"""Evaluates the policy's mean action in whole episodes."""

from collections.abc import Callable

import gin
import numpy as np

from sac_tf.agents.sac.state import TrainState
from sac_tf.environments.environment import Environment
from sac_tf.errors import require_count
from sac_tf.training.acting import mean_actions
from sac_tf.training.collecting import collect
from sac_tf.types import Act, Episode, Evaluation


@gin.configurable
class Evaluator:
    """Plays whole episodes with the mean action, in evaluation environments that are stepped
    together."""

    def __init__(
        self, make_environment: Callable[[int], Environment], state: TrainState, episodes: int = 10
    ):
        """Makes an environment for each episode, so that one call of the policy serves all of them.

        Args:
          make_environment: f(E), makes environments for evaluation.
          state: holds the policy.
          episodes: of one evaluation.

        Raises:
          ConfigurationError: a number out of range, or a task that cannot be made.
        """
        require_count("Evaluator.episodes", episodes)
        self._environment = make_environment(episodes)
        self._act = mean_actions(state, self._environment.spec, episodes)

    def evaluate(self, seed: int) -> Evaluation:
        """Returns the result of one episode in each environment; the same seed gives the same
        initial states."""
        return summarize(play(self._environment, self._act, seed))

    def close(self) -> None:
        self._environment.close()


def play(environment: Environment, act: Act, seed: int) -> list[Episode]:
    """Returns the first episode of each of the E environments, in their order."""
    first: dict[int, Episode] = {}
    for _, finished in collect(environment, act, seed):
        for episode in finished:
            first.setdefault(episode.copy, episode)
        if len(first) == environment.num_environments:
            break
    return [first[copy] for copy in sorted(first)]


def summarize(episodes: list[Episode]) -> Evaluation:
    """Returns mean and standard deviation of the returns."""
    returns = [episode.total_reward for episode in episodes]
    return Evaluation(float(np.mean(returns)), float(np.std(returns)), len(returns))
