"""How good the mean action is."""

from typing import NamedTuple

import gin
import numpy as np

from sac_tf.agents.sac.state import TrainState
from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment
from sac_tf.errors import require_count
from sac_tf.training.acting import Act, mean_actions
from sac_tf.training.collecting import Episode, collect


class Evaluation(NamedTuple):
    """Mean and standard deviation of the undiscounted returns of some episodes."""

    return_mean: float
    return_std: float
    episodes: int

    def __str__(self) -> str:
        return f"{self.return_mean:.1f} +- {self.return_std:.1f} over {self.episodes} episodes"


@gin.configurable
class Evaluator:
    """Plays whole episodes with the mean action in environments of its own, all episodes side by
    side."""

    def __init__(self, environment_id: str, state: TrainState, episodes: int = 10):
        """Makes `episodes` environments, so that one policy call serves all of them."""
        require_count("Evaluator.episodes", episodes)
        self._environment = GymnasiumEnvironment(environment_id, episodes)
        self._act = mean_actions(state, self._environment.spec, episodes)

    def evaluate(self, seed: int) -> Evaluation:
        """Returns the result of one episode in each environment; the same seed gives the same first
        states."""
        return summarize(play(self._environment, self._act, seed))

    def close(self) -> None:
        self._environment.close()


def play(environment: GymnasiumEnvironment, act: Act, seed: int) -> list[Episode]:
    """Returns the first episode of each copy in `environment`, copy 0 first."""
    first: dict[int, Episode] = {}
    for _, finished in collect(environment, act, seed):
        for episode in finished:
            first.setdefault(episode.copy, episode)
        if len(first) == environment.num_environments:
            break
    return [first[copy] for copy in sorted(first)]


def summarize(episodes: list[Episode]) -> Evaluation:
    returns = [episode.total_reward for episode in episodes]
    return Evaluation(float(np.mean(returns)), float(np.std(returns)), len(returns))
