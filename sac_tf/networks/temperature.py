"""The temperature (alpha) of Soft Actor-Critic: parametrization, bounds and entropy target."""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import gin
import tensorflow as tf

from sac_tf.errors import POSITIVE, ConfigurationError, require_number

_FINITE = (math.isfinite, "a finite number")
_REACHABLE = (
    lambda factor: -math.log(2) <= factor < math.inf,
    "a finite number of at least -0.69, where the target is the entropy of uniform actions",
)


class Parametrization(NamedTuple):
    """An increasing function from the real numbers to the positive ones, and its inverse.

    Attributes:
      alpha: f(parameter) -> alpha, on tensors.
      inverse: f(alpha) -> parameter, on Python numbers.
    """

    alpha: Callable[[tf.Tensor], tf.Tensor]
    inverse: Callable[[float], float]


@gin.configurable
def exponential() -> Parametrization:
    """alpha = exp(x): the parameter is log alpha, and a gradient step multiplies alpha."""
    return Parametrization(tf.exp, math.log)


@gin.configurable
def softplus() -> Parametrization:
    """alpha = log(1 + exp(x)): a gradient step adds to a large alpha and multiplies a small one
    (SERL)."""
    return Parametrization(tf.math.softplus, lambda alpha: alpha + math.log(-math.expm1(-alpha)))


def require_reachable(
    target_entropy: float,
    action_dimensions: int,
    log_volume: float = 0.0,
    name: str = "Temperature.target_entropy",
) -> None:
    """Checks that the entropy of a policy can reach its target; otherwise alpha would grow without
    end.

    Args:
      target_entropy: H_target in nats.
      action_dimensions: A.
      log_volume: sum of log((high - low) / 2) over the action's bounds; 0 for [-1, 1].
      name: of the setting, for the message.

    Raises:
      ConfigurationError: the target is above the entropy of the uniform distribution, the largest
        of any.
    """
    largest = action_dimensions * math.log(2) + log_volume
    if target_entropy > largest:
        raise ConfigurationError(
            f"{name}={target_entropy:g} is above the largest entropy of a policy with "
            f"{action_dimensions} bounded actions, {largest:.3f}; the usual target is "
            f"{log_volume - action_dimensions:.3g}."
        )


class Multiplier(tf.Module):
    """A positive Lagrange multiplier that can be trained.

    Args:
      parameter: scalar variable.
      positive: an increasing function from the real numbers to the positive ones.

    Attributes:
      parameter: as given; log alpha with the exponential parametrization.
    """

    def __init__(self, parameter: tf.Variable, positive: Callable[[tf.Tensor], tf.Tensor]):
        super().__init__(name="multiplier")
        self.parameter = parameter
        self._positive = positive

    @property
    def alpha(self) -> tf.Tensor:
        """Its value, scalar."""
        return self._positive(self.parameter)


@gin.configurable
@dataclasses.dataclass(frozen=True)
class Temperature:
    """alpha as the Lagrange multiplier of the entropy constraint.

    The problem is to maximize the return subject to E[-log pi(a|s)] >= H_target (1812.05905,
    section 5). Its Lagrangian adds alpha (E[-log pi] - H_target), alpha >= 0, to the return. Critic
    and actor steps maximize it over policies for a given alpha; the temperature step descends the
    dual, J(alpha) = alpha (E[-log pi] - H_target) (eq. 18): alpha grows while the entropy is below
    its target and falls while it is above. The parametrization keeps the multiplier positive, and
    after each step it is projected to its bounds.

    Attributes:
      initial_alpha: the value at the start, and throughout if the update has no alpha step.
      minimum: lower bound of alpha, or None.
      maximum: upper bound of alpha, or None.
      parametrization: `exponential` or `softplus`, called without arguments.
      target_entropy: H_target in nats. None: `target_entropy_factor` times -A.
      target_entropy_factor: entropy target in units of -A: 1 in 1812.05905, 0.5 in RLPD and SERL.

    Raises:
      ConfigurationError: a number is out of range, the bounds exclude each other or
        `initial_alpha`, or both `target_entropy` and `target_entropy_factor` are given.
    """

    initial_alpha: float = 1.0
    minimum: float | None = None
    maximum: float | None = None
    parametrization: Callable[[], Parametrization] = exponential
    target_entropy: float | None = None
    target_entropy_factor: float = 1.0

    def __post_init__(self) -> None:
        require_number("Temperature.initial_alpha", self.initial_alpha, *POSITIVE)
        require_number("Temperature.target_entropy_factor", self.target_entropy_factor, *_REACHABLE)
        for name, condition in (
            ("minimum", POSITIVE),
            ("maximum", POSITIVE),
            ("target_entropy", _FINITE),
        ):
            if getattr(self, name) is not None:
                require_number(f"Temperature.{name}", getattr(self, name), *condition)
        minimum = self.minimum or 0.0
        maximum = self.maximum or math.inf
        if minimum > maximum:
            raise ConfigurationError(
                f"Temperature.minimum={minimum} must not be above Temperature.maximum={maximum}."
            )
        if not minimum <= self.initial_alpha <= maximum:
            raise ConfigurationError(
                f"Temperature.initial_alpha={self.initial_alpha} must lie within "
                f"Temperature.minimum={self.minimum} and Temperature.maximum={self.maximum}."
            )
        if self.target_entropy is not None and self.target_entropy_factor != 1:
            raise ConfigurationError(
                f"Temperature.target_entropy={self.target_entropy} overrides "
                f"Temperature.target_entropy_factor={self.target_entropy_factor}; give one of them."
            )

    def make_multiplier(self) -> "Multiplier":
        """Returns the variable part. The constraint of its parameter, applied by optimizers after
        each step, keeps alpha within its bounds."""
        parametrization = self.parametrization()
        initial = parametrization.inverse(self.initial_alpha)
        parameter = tf.Variable(
            initial, dtype=tf.float32, name="parameter", constraint=self._constraint()
        )
        return Multiplier(parameter, parametrization.alpha)

    def _constraint(self) -> Callable[[tf.Tensor], tf.Tensor] | None:
        """Returns the projection of the parameter to the bounds, or None without bounds."""
        if self.minimum is None and self.maximum is None:
            return None
        inverse = self.parametrization().inverse
        low = -math.inf if self.minimum is None else inverse(self.minimum)
        high = math.inf if self.maximum is None else inverse(self.maximum)
        return lambda parameter: tf.clip_by_value(parameter, low, high)

    def entropy_target(self, action_dimensions: int) -> float:
        """Returns H_target in nats for A action dimensions."""
        if self.target_entropy is not None:
            return self.target_entropy
        return -self.target_entropy_factor * action_dimensions
