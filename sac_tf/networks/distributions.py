"""The tanh-squashed Gaussian of SAC on TFP bijectors."""

import math
from collections.abc import Callable

import gin
import tensorflow as tf
import tensorflow_probability as tfp

from sac_tf import devices
from sac_tf.errors import ConfigurationError, require_number

_LARGEST_ACTION = 1.0 - 1e-6
"""Given actions are pulled in to here before atanh, which is infinite at 1."""


class SquashedGaussian(tfp.distributions.TransformedDistribution):
    """a = tanh(loc + exp(log_std) * noise), with log pi(a) corrected for the change of volume
    (1812.05905, eq. 26).

    The affine map is part of the bijector, not of the base distribution: the density of a sample is
      then computed
    from the noise itself, and stays exact where `loc + exp(log_std) * noise` has no digits left for
    the noise. TFP's Tanh computes the correction as 2 (log 2 - u - softplus(-2 u)), which is exact
    where tanh saturates.
    """

    def __init__(self, loc: tf.Tensor, log_std: tf.Tensor, name: str = "squashed_gaussian"):
        """Takes `loc` and `log_std` [B, A]."""
        parameters = {"loc": loc, "log_std": log_std, "name": name}
        self._loc, self._log_std = loc, log_std
        super().__init__(
            tfp.distributions.Independent(
                tfp.distributions.Normal(tf.zeros_like(loc), tf.ones_like(loc)), 1
            ),
            tfp.bijectors.Chain(
                [
                    tfp.bijectors.Tanh(),
                    tfp.bijectors.Shift(loc),
                    tfp.bijectors.Scale(log_scale=log_std),
                ]
            ),
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: tf.DType, num_classes: int | None = None) -> dict:  # noqa: ARG003
        vector = tfp.util.ParameterProperties(event_ndims=1)
        return {"loc": vector, "log_std": vector}

    def mean_action(self) -> tf.Tensor:
        """Returns tanh(loc) [B, A], the deterministic action."""
        return tf.tanh(self._loc)

    def log_prob_of_action(self, action: tf.Tensor) -> tf.Tensor:
        """Returns log pi(action) [B] of actions [B, A] that this object did not sample, finite also
        at -1 and 1."""
        return self.log_prob(tf.clip_by_value(action, -_LARGEST_ACTION, _LARGEST_ACTION))

    def sample_action(self, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns a reparameterised action [B, A] and its log-probability [B], from a stateless
        seed, int32 [2].

        A replica gets its rows of what one device would draw for the joint batch.
        """
        if devices.replicas() == 1:
            return self.experimental_sample_and_log_prob(seed=seed)
        joint = SquashedGaussian(devices.joint_rows(self._loc), devices.joint_rows(self._log_std))
        action, log_prob = joint.experimental_sample_and_log_prob(seed=seed)
        return devices.own_rows(action), devices.own_rows(log_prob)


@gin.configurable
def clamp_log_std(log_std: tf.Tensor, minimum: float = -20.0, maximum: float = 2.0) -> tf.Tensor:
    """Returns log_std cut to its bounds (1812.05905, the authors' code); beyond them no gradient
    flows."""
    _require_bounds("clamp_log_std", minimum, maximum)
    return tf.clip_by_value(log_std, minimum, maximum)


@gin.configurable
def rescale_log_std(log_std: tf.Tensor, minimum: float = -5.0, maximum: float = 2.0) -> tf.Tensor:
    """Returns tanh(log_std) stretched from [-1, 1] to the bounds (CleanRL, Yarats): a gradient
    flows everywhere."""
    _require_bounds("rescale_log_std", minimum, maximum)
    return minimum + 0.5 * (maximum - minimum) * (tf.tanh(log_std) + 1)


@gin.configurable
def squashed_gaussian(
    loc: tf.Tensor, log_std: tf.Tensor, bound: Callable[[tf.Tensor], tf.Tensor] = clamp_log_std
) -> SquashedGaussian:
    """Returns pi(.|s) of what an actor gives, loc and log_std [B, A], log_std within bounds."""
    return SquashedGaussian(loc, bound(log_std))


def _require_bounds(name: str, minimum: float, maximum: float) -> None:
    require_number(f"{name}.minimum", minimum, math.isfinite, "a finite number")
    require_number(f"{name}.maximum", maximum, math.isfinite, "a finite number")
    if minimum >= maximum:
        raise ConfigurationError(
            f"{name}.minimum={minimum} must be below {name}.maximum={maximum}."
        )
