"""The tanh-squashed Gaussian of SAC on TFP bijectors."""

import tensorflow as tf
import tensorflow_probability as tfp

LOG_STD_BOUNDS = (-20.0, 2.0)
"""Clamp of the log standard deviation before squashing (1812.05905, the authors' code)."""

_LARGEST_ACTION = 1.0 - 1e-6
"""Given actions are pulled in to here before atanh, which is infinite at 1."""


class SquashedGaussian(tfp.distributions.TransformedDistribution):
    """a = tanh(loc + exp(log_std) * noise), with log pi(a) corrected for the change of volume (1812.05905, eq. 26).

    The affine map is part of the bijector, not of the base distribution: the density of a sample is then computed
    from the noise itself, and stays exact where `loc + exp(log_std) * noise` has no digits left for the noise.
    TFP's Tanh computes the correction as 2 (log 2 - u - softplus(-2 u)), which is exact where tanh saturates.
    """

    def __init__(self, loc: tf.Tensor, log_std: tf.Tensor, name: str = "squashed_gaussian"):
        """Takes `loc` and `log_std` [B, A]; log_std is clamped to `LOG_STD_BOUNDS`."""
        parameters = {"loc": loc, "log_std": log_std, "name": name}
        self._loc = loc
        log_std = tf.clip_by_value(log_std, *LOG_STD_BOUNDS)
        super().__init__(
            tfp.distributions.MultivariateNormalDiag(tf.zeros_like(loc), tf.ones_like(loc)),
            tfp.bijectors.Chain(
                [tfp.bijectors.Tanh(), tfp.bijectors.Shift(loc), tfp.bijectors.Scale(log_scale=log_std)]
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
        """Returns log pi(action) [B] of actions [B, A] that this object did not sample, finite also at -1 and 1."""
        return self.log_prob(tf.clip_by_value(action, -_LARGEST_ACTION, _LARGEST_ACTION))

    def sample_action(self, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns a reparameterised action [B, A] and its log-probability [B], from a stateless seed, int32 [2]."""
        return self.experimental_sample_and_log_prob(seed=seed)
