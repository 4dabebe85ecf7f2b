"""The temperature of Soft Actor-Critic: how it follows from its parameter, where it may be, and
whom it serves."""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import gin
import tensorflow as tf

from sac_tf.errors import ConfigurationError, require_number

_POSITIVE = (lambda value: 0 < value < math.inf, "a number above 0")
_FINITE = (math.isfinite, "a finite number")


class Parametrization(NamedTuple):
    """An increasing function from all numbers to the positive ones, on tensors, and its inverse, on
    numbers."""

    alpha: Callable[[tf.Tensor], tf.Tensor]
    inverse: Callable[[float], float]


@gin.configurable
def exponential() -> Parametrization:
    """alpha = exp(x): the parameter is log alpha, and a step changes alpha by a factor."""
    return Parametrization(tf.exp, math.log)


@gin.configurable
def softplus() -> Parametrization:
    """alpha = log(1 + exp(x)): a step changes a large alpha by a difference, a small one by a
    factor (SERL)."""
    return Parametrization(tf.math.softplus, lambda alpha: alpha + math.log(-math.expm1(-alpha)))


@gin.configurable
@dataclasses.dataclass(frozen=True)
class Temperature:
    """alpha as the Lagrange multiplier of the entropy constraint.

    The problem is to maximise the return subject to E[-log pi(a|s)] >= H_target (1812.05905,
    section 5). Its Lagrangian adds alpha (E[-log pi] - H_target), alpha >= 0, to the return. Critic
    and actor steps maximise it over policies for a given alpha; the temperature step descends the
    dual, J(alpha) = alpha (E[-log pi] - H_target) (eq. 18): alpha grows while the entropy is below
    its target and falls while it is above. The parametrization keeps the multiplier positive, and
    after each step it is projected to its bounds.

    Attributes:
      initial_alpha: at the start; stays there if the update has no alpha step.
      minimum, maximum: bounds of alpha, or None.
      parametrization: `exponential` or `softplus`, called without arguments.
      target_entropy: H_target in nats. None: `target_entropy_factor` times -A.
      target_entropy_factor: 1 in 1812.05905, 0.5 in RLPD and SERL.

    Raises:
      ConfigurationError: a number out of range, bounds that leave no room, or a target given twice.
    """

    initial_alpha: float = 1.0
    minimum: float | None = None
    maximum: float | None = None
    parametrization: Callable[[], Parametrization] = exponential
    target_entropy: float | None = None
    target_entropy_factor: float = 1.0

    def __post_init__(self) -> None:
        require_number("Temperature.initial_alpha", self.initial_alpha, *_POSITIVE)
        require_number("Temperature.target_entropy_factor", self.target_entropy_factor, *_FINITE)
        for name, condition in (
            ("minimum", _POSITIVE),
            ("maximum", _POSITIVE),
            ("target_entropy", _FINITE),
        ):
            if getattr(self, name) is not None:
                require_number(f"Temperature.{name}", getattr(self, name), *condition)
        minimum, maximum = self.minimum or 0.0, self.maximum or math.inf
        if minimum > maximum:
            raise ConfigurationError(
                f"Temperature.minimum={minimum} must not be above Temperature.maximum={maximum}."
            )
        if not minimum <= self.initial_alpha <= maximum:
            raise ConfigurationError(
                f"Temperature.initial_alpha={self.initial_alpha} must lie within "
                f"Temperature.minimum={self.minimum} "
                f"and Temperature.maximum={self.maximum}."
            )
        if self.target_entropy is not None and self.target_entropy_factor != 1:
            raise ConfigurationError(
                f"Temperature.target_entropy={self.target_entropy} leaves no use for "
                f"Temperature.target_entropy_factor={self.target_entropy_factor}; give one of them."
            )

    def make_parameter(self) -> tf.Variable:
        """Returns the parameter, scalar. Its constraint, which optimizers apply after a step, keeps
        alpha in bounds."""
        inverse = self.parametrization().inverse
        low = -math.inf if self.minimum is None else inverse(self.minimum)
        high = math.inf if self.maximum is None else inverse(self.maximum)
        is_bounded = self.minimum is not None or self.maximum is not None
        constraint = (
            (lambda parameter: tf.clip_by_value(parameter, low, high)) if is_bounded else None
        )
        initial = inverse(self.initial_alpha)
        return tf.Variable(initial, dtype=tf.float32, name="log_alpha", constraint=constraint)

    def alpha(self, parameter: tf.Tensor) -> tf.Tensor:
        """Returns alpha, scalar, for a parameter."""
        return self.parametrization().alpha(parameter)

    def entropy_target(self, action_dimensions: int) -> float:
        """Returns H_target in nats for A action dimensions."""
        return (
            -self.target_entropy_factor * action_dimensions
            if self.target_entropy is None
            else self.target_entropy
        )
