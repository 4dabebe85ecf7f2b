"""Reward scaling: transforms of batches; the replay keeps the task's own rewards."""

import json
import math
from collections.abc import Collection
from pathlib import Path

import gin
import numpy as np
import tensorflow as tf

from sac_tf.errors import POSITIVE, require_number
from sac_tf.moments import Moments
from sac_tf.types import RETURN_TO_GO, Transition

REWARD_SCALE = "reward_scale.json"
"""File of the statistics in a checkpoint."""


@gin.configurable
class FixedRewardScale:
    """A `RewardScale` that multiplies rewards by a constant."""

    def __init__(self, discount: float, scale: float = 1.0):
        """Takes the factor.

        Args:
          discount: unused.
          scale: factor of the rewards, above 0; 1 costs nothing.
        """
        del discount
        self._scale = require_number("FixedRewardScale.scale", scale, *POSITIVE)

    def update(self, transition: Transition, ended: Collection[int]) -> None:
        """Nothing to do: the scale is constant."""

    def end_episodes(self) -> None:
        """Nothing to do."""

    def __call__(self, state: tf.Module, batch: Transition) -> Transition:
        del state
        if self._scale == 1:
            return batch
        return _scaled(batch, self._scale)

    def save(self, folder: Path) -> None:
        """Nothing to write."""

    def restore(self, folder: Path) -> None:
        """Nothing to read."""


@gin.configurable
class RunningRewardScale:
    """A `RewardScale` that divides rewards by the running standard deviation of the discounted
    return (Engstrom et al., 2005.12729).

    The return of each environment is G = r + gamma * discount * G of the step before, as in
    Gymnasium's NormalizeReward. Other than there, the reward of a termination belongs to the
    episode that it ends. The mean is not subtracted: that would change which policy is optimal.
    """

    def __init__(
        self,
        discount: float,
        epsilon: float = 1e-8,
        largest_return: float | None = None,
        ends_at_time_limits: bool = False,
    ):
        """Starts with a scale of 1.

        Args:
          discount: gamma, of one environment step.
          epsilon: added to the variance.
          largest_return: bound of |G| after scaling: rewards are divided by max |G| over it where
            that is more than the standard deviation (SimbaV2, 2502.15280); for a categorical
            critic, its largest return. None: no bound.
          ends_at_time_limits: whether G starts anew after a time limit too, as in XQC, FlashSAC and
            SimbaV2, and not only after a termination, as in Gymnasium.

        Raises:
          ConfigurationError: a number out of range, or a value of another type.
        """
        require_number("RunningRewardScale.epsilon", epsilon, *POSITIVE)
        if largest_return is not None:
            require_number(
                "RunningRewardScale.largest_return",
                largest_return,
                lambda x: x > 0,
                "a number above 0 or None",
            )
        self._gamma = discount
        self._ends_at_time_limits = ends_at_time_limits
        self._largest_return = largest_return or math.inf
        self._epsilon = epsilon
        self._moments = Moments(0.0, 0.0, 0.0)
        self._largest = 0.0
        self._carried: np.ndarray | float = 0.0
        self._scale = tf.Variable(1.0, trainable=False, name="reward_scale")

    def update(self, transition: Transition, ended: Collection[int]) -> None:
        returns = np.asarray(transition.reward, np.float64) + self._carried
        carried = self._gamma * transition.discount * returns
        if self._ends_at_time_limits:
            carried[list(ended)] = 0.0
        self._carried = carried
        rows = float(len(returns))
        squares = float(returns.var() * len(returns))
        self._largest = max(self._largest, float(np.abs(returns).max()))
        self._set(self._moments.join(Moments(rows, float(returns.mean()), squares)))

    def __call__(self, state: tf.Module, batch: Transition) -> Transition:
        del state
        return _scaled(batch, self._scale)

    def end_episodes(self) -> None:
        self._carried = 0.0

    def save(self, folder: Path) -> None:
        numbers = {**self._moments._asdict(), "largest": self._largest}
        (folder / REWARD_SCALE).write_text(json.dumps(numbers))

    def restore(self, folder: Path) -> None:
        numbers = json.loads((folder / REWARD_SCALE).read_text())
        self._largest = numbers.pop("largest")
        self._set(Moments(**numbers))

    def _set(self, moments: Moments) -> None:
        self._moments = moments
        if moments.count:
            std = math.sqrt(moments.variance + self._epsilon)
            self._scale.assign(1 / max(std, self._largest / self._largest_return))


def _scaled(batch: Transition, scale: float | tf.Variable) -> Transition:
    """Returns the batch with scaled rewards, and returns-to-go in the same units."""
    extras = dict(batch.extras)
    if RETURN_TO_GO in extras:
        extras[RETURN_TO_GO] = scale * extras[RETURN_TO_GO]
    return batch._replace(reward=scale * batch.reward, extras=extras)
