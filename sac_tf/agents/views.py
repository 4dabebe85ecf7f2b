"""Views: several augmentations of the same transitions, over which targets and losses are averaged
(DrQ, 2004.13649, section 3.2)."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.types import NEXT_VIEWS, VIEWS, Transition


def mean_loss(
    function: Callable[[Transition], tuple[tf.Tensor, tf.Tensor]], batch: Transition
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the mean loss [B] over the views of the observations, and what `function` returns
    with the first: batch -> loss [B] and another tensor."""
    others = batch.extras.get(VIEWS, ())
    views = [batch, *(batch._replace(observation=view) for view in others)]
    losses, tensors = zip(*map(function, views), strict=True)
    return _mean(losses), tensors[0]


def mean_target(function: Callable[[Transition], tf.Tensor], batch: Transition) -> tf.Tensor:
    """Returns the mean of `function`, batch -> target [B], over the views of the next
    observations."""
    others = batch.extras.get(NEXT_VIEWS, ())
    views = [batch, *(batch._replace(next_observation=view) for view in others)]
    return _mean(list(map(function, views)))


def require_one(step: str, batch: Transition) -> None:
    """Raises ConfigurationError for a batch with several views, which a step does not use."""
    if {VIEWS, NEXT_VIEWS} & set(batch.extras):
        raise ConfigurationError(
            f"{step} takes one view of each image: leave random_shift.loss_views and "
            "random_shift.target_views at 1."
        )


def _mean(values: Sequence[tf.Tensor]) -> tf.Tensor:
    return values[0] if len(values) == 1 else tf.add_n(values) / len(values)
