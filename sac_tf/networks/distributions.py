"""Distributions over actions: the tanh-squashed Gaussian of SAC on TFP bijectors, a clipped one,
and single actions of deterministic policies."""

import math
from collections.abc import Callable

import gin
import tensorflow as tf
import tensorflow_probability as tfp

from sac_tf import devices
from sac_tf.errors import ConfigurationError, require_number

_LARGEST_ACTION = 1.0 - 1e-6
"""Actions are clipped to this absolute value before atanh, which is infinite at 1."""


class SquashedGaussian(tfp.distributions.TransformedDistribution):
    """a = tanh(loc + exp(log_std) * noise), with the change of variables in log pi(a) (1812.05905,
    eq. 26).

    The affine map is part of the bijector, not of the base distribution. The density of a sample is
    then computed from the noise itself, and stays exact where `loc + exp(log_std) * noise` has no
    digits left for the noise. TFP's Tanh computes the correction as
    2 (log 2 - u - softplus(-2 u)), which is exact where tanh saturates.
    """

    def __init__(self, loc: tf.Tensor, log_std: tf.Tensor, name: str = "squashed_gaussian"):
        """Takes `loc` and `log_std` [B, A]."""
        parameters = {"loc": loc, "log_std": log_std, "name": name}
        self._loc = loc
        self._log_std = log_std
        noise = tfp.distributions.Normal(tf.zeros_like(loc), tf.ones_like(loc))
        bijectors = [
            tfp.bijectors.Tanh(),
            tfp.bijectors.Shift(loc),
            tfp.bijectors.Scale(log_scale=log_std),
        ]
        super().__init__(
            tfp.distributions.Independent(noise, 1),
            tfp.bijectors.Chain(bijectors),
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(
        cls,
        dtype: tf.DType,  # noqa: ARG003
        num_classes: int | None = None,  # noqa: ARG003
    ) -> dict:
        vector = tfp.util.ParameterProperties(event_ndims=1)
        return {"loc": vector, "log_std": vector}

    def mean_action(self) -> tf.Tensor:
        """Returns tanh(loc) [B, A], the deterministic action."""
        return tf.tanh(self._loc)

    def action_of_noise(self, noise: tf.Tensor) -> tf.Tensor:
        """Returns tanh(loc + exp(log_std) * noise) [B, A] for noise [B, A] of the caller."""
        return self.bijector.forward(noise)

    def served_parameters(self) -> dict[str, tf.Tensor]:
        """Returns {"loc", "scale"}, each [B, A], of the Gaussian before squashing."""
        return {"loc": self._loc, "scale": tf.exp(self._log_std)}

    def log_prob_of_action(self, action: tf.Tensor) -> tf.Tensor:
        """Returns log pi(action) [B] of actions [B, A] from any source, finite also at -1 and 1."""
        return self.log_prob(tf.clip_by_value(action, -_LARGEST_ACTION, _LARGEST_ACTION))

    def sample_action(self, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns a reparameterized action [B, A] and its log-probability [B], from a stateless
        seed, int32 [2].

        On several devices, a replica gets its rows of the sample for the joint batch.
        """
        if devices.replicas() == 1:
            return self.experimental_sample_and_log_prob(seed=seed)
        joint = SquashedGaussian(devices.joint_rows(self._loc), devices.joint_rows(self._log_std))
        action, log_prob = joint.experimental_sample_and_log_prob(seed=seed)
        return devices.own_rows(action), devices.own_rows(log_prob)


class ClippedGaussian(tfp.distributions.MultivariateNormalDiag):
    """a = tanh(loc) + exp(log_std) * noise, clipped to [-1, 1] where it is taken.

    The density is that of the Gaussian before clipping. It is finite at the bounds, where stored
    actions often are and where that of a squashed Gaussian is not (IQL, 2110.06169).
    """

    def __init__(self, loc: tf.Tensor, log_std: tf.Tensor, name: str = "clipped_gaussian"):
        """Takes `loc` and `log_std` [B, A]."""
        super().__init__(tf.tanh(loc), tf.exp(log_std), name=name)

    def mean_action(self) -> tf.Tensor:
        """Returns tanh(loc) [B, A], the deterministic action."""
        return self.loc

    def action_of_noise(self, noise: tf.Tensor) -> tf.Tensor:
        """Returns the action [B, A] of noise [B, A] of the caller."""
        return tf.clip_by_value(self.loc + self.stddev() * noise, -1.0, 1.0)

    def served_parameters(self) -> dict[str, tf.Tensor]:
        """Returns {"loc", "scale"}, each [B, A]: tanh(loc) and the standard deviation."""
        return {"loc": self.loc, "scale": self.stddev()}

    def log_prob_of_action(self, action: tf.Tensor) -> tf.Tensor:
        """Returns log pi(action) [B] of actions [B, A] from any source."""
        return self.log_prob(action)

    def sample_action(self, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns a reparameterized action [B, A] in [-1, 1] and the log-probability [B] of what it
        was before clipping, from a stateless seed, int32 [2].

        On several devices, a replica gets its rows of the sample for the joint batch.
        """
        noise = devices.normal_noise(self.loc, seed)
        return self.action_of_noise(noise), self.log_prob(self.loc + self.stddev() * noise)


@gin.configurable
def clamp_log_std(log_std: tf.Tensor, minimum: float = -20.0, maximum: float = 2.0) -> tf.Tensor:
    """Returns log_std clipped to its bounds, beyond which its gradient is zero (1812.05905, the
    authors' code).

    Args:
      log_std: any shape.
      minimum: lower bound of log_std.
      maximum: upper bound of log_std.
    """
    _require_bounds("clamp_log_std", minimum, maximum)
    return tf.clip_by_value(log_std, minimum, maximum)


@gin.configurable
def rescale_log_std(log_std: tf.Tensor, minimum: float = -5.0, maximum: float = 2.0) -> tf.Tensor:
    """Returns tanh(log_std) rescaled from [-1, 1] to the bounds, with a gradient everywhere
    (CleanRL, Yarats).

    Args:
      log_std: any shape.
      minimum: lower bound of log_std.
      maximum: upper bound of log_std.
    """
    _require_bounds("rescale_log_std", minimum, maximum)
    return minimum + 0.5 * (maximum - minimum) * (tf.tanh(log_std) + 1)


@gin.configurable
def squashed_gaussian(
    loc: tf.Tensor, log_std: tf.Tensor, bound: Callable[[tf.Tensor], tf.Tensor] = clamp_log_std
) -> SquashedGaussian:
    """Returns pi(.|s) for the outputs of an actor.

    Args:
      loc, log_std: [B, A].
      bound: limits log_std: `clamp_log_std` or `rescale_log_std`.
    """
    return SquashedGaussian(loc, bound(log_std))


@gin.configurable
def clipped_gaussian(
    loc: tf.Tensor, log_std: tf.Tensor, bound: Callable[[tf.Tensor], tf.Tensor] = clamp_log_std
) -> ClippedGaussian:
    """Returns the Gaussian around tanh(loc) for the outputs of an actor, clipped to [-1, 1].

    Args:
      loc, log_std: [B, A].
      bound: limits log_std: `clamp_log_std` or `rescale_log_std`.
    """
    return ClippedGaussian(loc, bound(log_std))


class SingleAction:
    """a = tanh(loc) with probability 1: the policy of TD3 (1802.09477) and DDPG (1509.02971)."""

    def __init__(self, loc: tf.Tensor):
        """Takes `loc` [B, A]."""
        self._action = tf.tanh(loc)

    def mean_action(self) -> tf.Tensor:
        """Returns the action [B, A]."""
        return self._action

    def sample_action(self, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the action [B, A], and the logarithm of its probability, zeros [B]; draws nothing
        with the seed."""
        del seed
        return self._action, tf.zeros(tf.shape(self._action)[:1])

    def log_prob_of_action(self, action: tf.Tensor) -> tf.Tensor:
        """Raises ConfigurationError: there is no density."""
        del action
        raise ConfigurationError(
            "policy.distribution=@single_action has no density of actions; use @squashed_gaussian, "
            "or a loss of the mean action such as bc_steps.loss=@mean_squared_error."
        )

    def served_parameters(self) -> dict[str, tf.Tensor]:
        """Returns {}: an exported policy has no signatures of a distribution."""
        return {}


@gin.configurable
def single_action(*outputs: tf.Tensor) -> SingleAction:
    """Returns pi(.|s) for the output of an actor with `loc_only`.

    Args:
      *outputs: loc [B, A].

    Raises:
      ConfigurationError: the actor has other outputs.
    """
    if len(outputs) != 1:
        raise ConfigurationError(
            "policy.distribution=@single_action needs actor.heads=@loc_only: a policy of single "
            "actions has no standard deviation."
        )
    return SingleAction(outputs[0])


def _require_bounds(name: str, minimum: float, maximum: float) -> None:
    """Raises ConfigurationError unless minimum < maximum, both finite."""
    require_number(f"{name}.minimum", minimum, math.isfinite, "a finite number")
    require_number(f"{name}.maximum", maximum, math.isfinite, "a finite number")
    if minimum >= maximum:
        raise ConfigurationError(
            f"{name}.minimum={minimum} must be below {name}.maximum={maximum}."
        )
