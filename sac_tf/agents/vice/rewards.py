"""The rewards of VICE: forms of the probability that the next observation is a goal."""

from typing import Protocol

import gin
import tensorflow as tf

from sac_tf.agents.agent import TrainState
from sac_tf.errors import require_number
from sac_tf.networks.classifier import Classifier
from sac_tf.types import Transition

REACHED = "reached"
"""Name in `Transition.extras` of the next observation before the transforms of a run."""


class RewardForm(Protocol):
    """Logits [B] of next observations -> rewards [B], and whether the task is over, bool [B]."""

    def __call__(self, logit: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]: ...


@gin.configurable
def log_probability(logit: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`RewardForm` log p(goal|s'), at most 0 (1805.11686, section 4)."""
    return tf.math.log_sigmoid(logit), _never(logit)


@gin.configurable
def probability(logit: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`RewardForm` p(goal|s'), 0 to 1."""
    return tf.sigmoid(logit), _never(logit)


@gin.configurable
def log_odds(logit: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`RewardForm` log p(goal|s') - log(1 - p(goal|s')), without bounds."""
    return logit, _never(logit)


@gin.configurable
def success(logit: tf.Tensor, threshold: float = 0.5) -> tuple[tf.Tensor, tf.Tensor]:
    """`RewardForm` 1 where p(goal|s') is at least the threshold, where the task is over, else 0.

    Args:
      logit: [B].
      threshold: a probability.

    Raises:
      ConfigurationError: `threshold` is not a probability above 0 and below 1.
    """
    accept = (lambda x: 0 < x < 1, "a number above 0 and below 1")
    require_number("success.threshold", threshold, *accept)
    is_goal = tf.sigmoid(logit) >= threshold
    return tf.cast(is_goal, tf.float32), is_goal


def _never(logit: tf.Tensor) -> tf.Tensor:
    return tf.zeros_like(logit, tf.bool)


@gin.configurable
def vice_reward(
    state: TrainState, batch: Transition, form: RewardForm = log_probability
) -> Transition:
    """A `Transform` that replaces the rewards by those of the classifier of `state`.

    Args:
      state: with a `classifier`.
      batch: B transitions of one step each, before images are shifted.
      form: from logits to rewards.
    """
    classifier: Classifier = state.classifier.model  # type: ignore[attr-defined]
    reward, is_over = form(classifier(batch.next_observation))
    return batch._replace(
        reward=reward,
        discount=tf.where(is_over, 0.0, batch.discount),
        extras={**batch.extras, REACHED: batch.next_observation},
    )
