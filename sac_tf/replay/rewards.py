"""What a reward of the task is worth to the learner. The replay keeps the task's own; batches have
the scaled ones."""

import json
import math
from pathlib import Path

import gin
import numpy as np
import tensorflow as tf

from sac_tf.errors import require_number
from sac_tf.moments import Moments
from sac_tf.types import Transition

_FILE = "reward_scale.json"


@gin.configurable
class FixedRewardScale:
    """Rewards times a number."""

    def __init__(self, scale: float = 1.0):
        """Takes a factor above 0; 1 costs nothing."""
        self._scale = require_number(
            "FixedRewardScale.scale", scale, lambda x: 0 < x < math.inf, "a number above 0"
        )

    def observe(self, transition: Transition) -> None:
        """Hears the E transitions of a joint step."""

    def apply(self, batch: Transition) -> Transition:
        """Returns the batch with scaled rewards; to be called inside a `tf.function`."""
        return batch if self._scale == 1 else batch._replace(reward=self._scale * batch.reward)

    def save(self, folder: Path) -> None:
        """There is nothing to write."""

    def restore(self, folder: Path) -> None:
        """There is nothing to read."""


@gin.configurable
class RunningRewardScale:
    """Rewards divided by the running standard deviation of the discounted return (Engstrom et al.,
    2005.12729).

    The return of each environment is G = r + gamma * discount * G of the step before, as in
    Gymnasium's
    NormalizeReward: a termination ends it, a time limit does not. The mean is left alone: taking it
      away would change
    what is optimal.
    Has the methods of `FixedRewardScale`.
    """

    def __init__(self, gamma: float = 0.99, epsilon: float = 1e-8):
        """Makes a scale of 1 that moves with each step.

        Args:
          gamma: discount of a step, the critic's.
          epsilon: added to the variance.

        Raises:
          ConfigurationError: a number out of range.
        """
        require_number(
            "RunningRewardScale.gamma", gamma, lambda x: 0 <= x <= 1, "a number from 0 to 1"
        )
        require_number("RunningRewardScale.epsilon", epsilon, lambda x: x > 0, "a number above 0")
        self._gamma, self._epsilon = gamma, epsilon
        self._moments = Moments(0.0, 0.0, 0.0)
        self._carried: np.ndarray | float = 0.0
        self._scale = tf.Variable(1.0, trainable=False, name="reward_scale")

    def observe(self, transition: Transition) -> None:
        returns = np.asarray(transition.reward, np.float64) + self._carried
        self._carried = self._gamma * transition.discount * returns
        self._set(
            self._moments.join(
                Moments(
                    float(len(returns)), float(returns.mean()), float(returns.var() * len(returns))
                )
            )
        )

    def apply(self, batch: Transition) -> Transition:
        return batch._replace(reward=self._scale * batch.reward)

    def save(self, folder: Path) -> None:
        """Writes the moments. What is observed next must begin an episode, as after a restart."""
        self._carried = 0.0
        (folder / _FILE).write_text(json.dumps(self._moments._asdict()))

    def restore(self, folder: Path) -> None:
        self._set(Moments(**json.loads((folder / _FILE).read_text())))

    def _set(self, moments: Moments) -> None:
        self._moments = moments
        if moments.count:
            self._scale.assign(1 / math.sqrt(moments.variance + self._epsilon))
