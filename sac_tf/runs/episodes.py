"""Numbers that tasks report about episodes: success, and entries of `info` by name."""

from collections.abc import Sequence

import gin
import numpy as np

from sac_tf.errors import ConfigurationError
from sac_tf.types import Episode, Evaluation, Numbers

_SUCCESS_KEYS = ("is_success", "success", "succeed", "solved", "env_complete")
"""As gymnasium-robotics, Meta-World, gym-hil, MyoSuite and PyFlyt name it."""


@gin.configurable
class EpisodeInfo:
    """Selects what is read from `Episode.info`.

    Attributes:
      keys: the other numbers, each a column `info_KEY` of metrics.csv and evaluations.csv.
    """

    def __init__(self, success_keys: Sequence[str] = _SUCCESS_KEYS, keys: Sequence[str] = ()):
        """Reads nothing yet.

        Args:
          success_keys: the first one that an environment reports says whether an episode succeeded.
          keys: the other numbers to read.

        Raises:
          ConfigurationError: not a sequence of names.
        """
        self._success_keys = _require_names("EpisodeInfo.success_keys", success_keys)
        self.keys = _require_names("EpisodeInfo.keys", keys)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of `keys`."""
        return tuple(f"info_{key}" for key in self.keys)

    def success(self, episode: Episode) -> float | None:
        """Returns the success at the last step of an episode, most often 0 or 1; None if it was not
        reported."""
        return self._first(episode.info)

    def success_once(self, episode: Episode) -> float | None:
        """Returns the largest success at any step of an episode; None if it was not reported."""
        return self._first(episode.largest)

    def _first(self, numbers: Numbers) -> float | None:
        found = [numbers[key] for key in self._success_keys if key in numbers]
        return found[0] if found else None

    def success_rate(self, episodes: Sequence[Episode]) -> float | None:
        """Returns the mean success of some episodes; None if none of them reported it.

        Where some reported it, the others count as failures: tasks exist that report only success.
        """
        return _rate([self.success(episode) for episode in episodes])

    def success_once_rate(self, episodes: Sequence[Episode]) -> float | None:
        """As `success_rate`, of `success_once`."""
        return _rate([self.success_once(episode) for episode in episodes])

    def means(self, episodes: Sequence[Episode]) -> Numbers:
        """Returns {column: mean} of `keys`, each over the episodes that reported it."""
        means = {}
        for key, column in zip(self.keys, self.columns, strict=True):
            values = [episode.info[key] for episode in episodes if key in episode.info]
            if values:
                means[column] = float(np.mean(values))
        return means

    def summarize(self, episodes: Sequence[Episode]) -> Evaluation:
        """Returns the result of an evaluation."""
        returns = [episode.total_reward for episode in episodes]
        return Evaluation(
            return_mean=float(np.mean(returns)),
            return_std=float(np.std(returns)),
            episodes=len(returns),
            success_rate=self.success_rate(episodes),
            success_once=self.success_once_rate(episodes),
            info=self.means(episodes),
        )


def _rate(reported: Sequence[float | None]) -> float | None:
    """Returns the mean of what some episodes reported, 0 for the others; None if all are None."""
    if all(success is None for success in reported):
        return None
    return float(np.mean([success or 0.0 for success in reported]))


def _require_names(name: str, values: Sequence[str]) -> tuple[str, ...]:
    is_sequence = isinstance(values, list | tuple)
    if not is_sequence or not all(isinstance(value, str) for value in values):
        raise ConfigurationError(
            f'{name} must be a sequence of names, ("is_success",) for example, got {values!r}.'
        )
    return tuple(values)
