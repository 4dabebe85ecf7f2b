"""The Lagrange multiplier of CQL's constraint on its critics."""

import math
from collections.abc import Callable

import gin
import tensorflow as tf

from sac_tf.agents.optimizers import Optimizer, adam
from sac_tf.agents.policy import MakePolicy
from sac_tf.agents.sac.agent import MakeSacState
from sac_tf.agents.sac.state import SacState
from sac_tf.agents.trainable import Trainable
from sac_tf.errors import POSITIVE, ConfigurationError, require_number
from sac_tf.pinned.gin_registry import InScope
from sac_tf.types import EnvironmentSpec

multiplier_adam = InScope("multiplier", adam)


class GapMultiplier(tf.Module):
    """The Lagrange multiplier of the constraint weight * gap <= threshold (2006.04779, appendix F).

    Args:
      threshold: in units of Q values.
      initial: the multiplier at the start.
      maximum: its upper bound.

    Attributes:
      threshold: as given.
      parameter: log of the multiplier, scalar.
    """

    def __init__(self, threshold: float, initial: float, maximum: float):
        super().__init__(name="gap_multiplier")
        self.threshold = threshold
        self.parameter = tf.Variable(
            math.log(initial),
            dtype=tf.float32,
            name="parameter",
            constraint=lambda log: tf.minimum(log, math.log(maximum)),
        )

    @property
    def value(self) -> tf.Tensor:
        """The multiplier, scalar."""
        return tf.exp(self.parameter)


@gin.configurable
def gap_multiplier(
    threshold: float = 5.0,
    initial: float = 1.0,
    maximum: float = 1e6,
    optimizer: Callable[[], Optimizer] = multiplier_adam,
) -> Trainable:
    """Returns a `GapMultiplier` with its optimizer.

    Args:
      threshold, initial, maximum: see `GapMultiplier`.
      optimizer: builds the optimizer.

    Raises:
      ConfigurationError: a number out of range.
    """
    require_number("gap_multiplier.threshold", threshold, math.isfinite, "a finite number")
    require_number("gap_multiplier.initial", initial, *POSITIVE)
    require_number("gap_multiplier.maximum", maximum, *POSITIVE)
    if initial > maximum:
        raise ConfigurationError(
            f"gap_multiplier.initial={initial} must not be above gap_multiplier.maximum={maximum}."
        )
    return Trainable(GapMultiplier(threshold, initial, maximum), optimizer())


@gin.configurable
def cql_state(
    spec: EnvironmentSpec,
    seed: int,
    discount: float,
    policy: MakePolicy,
    state: MakeSacState = SacState,
    multiplier: Callable[[], Trainable] = gap_multiplier,
) -> SacState:
    """Returns a train state whose multiplier adapts the weight of the gap.

    Args:
      spec, seed, discount, policy: see `SacState`.
      state: builds the other parts.
      multiplier: builds the multiplier.
    """
    made = state(spec, seed, discount, policy)
    made.multiplier = multiplier()
    return made
