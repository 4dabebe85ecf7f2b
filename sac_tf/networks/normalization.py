"""Layer, root-mean-square, batch normalization and batch renormalization of an ensemble, separate
for each member.

Keras' layers on a stacked [N, B, units] would share scale and offset between members, or mix their
statistics. For layer normalization and batch renormalization the members are stacked for the
arithmetic: this is as fast as one member after another, and ten critics compile nine times faster
because the graph has fewer operations. Plain batch normalization of two critics is faster without.
"""

import math

import numpy as np
import tensorflow as tf

from sac_tf import devices
from sac_tf.networks.layers import Members, evaluated, filled_up, rows_of_evaluated
from sac_tf.networks.norms import fixed_norm

R_MAX = 3.0
"""Bound of the scale correction of batch renormalization (1702.03275, section 4; the code of
1902.05605)."""
D_MAX = 5.0
"""Bound of its shift correction."""


class EnsembleLayerNormalization(tf.keras.layers.Layer):
    """Layer normalization (1607.06450): each row to mean 0 and variance 1, times `gamma`, plus
    `beta`."""

    def __init__(self, epsilon: float = 1e-5, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: list[tf.TensorShape]) -> None:
        shape = [len(input_shape), input_shape[0][-1]]
        self.gamma = self.add_weight("gamma", shape, initializer="ones")
        self.beta = self.add_weight("beta", shape, initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: Members) -> list[tf.Tensor]:
        """Takes and returns N tensors [B, units]."""
        x = tf.stack(evaluated(inputs))
        gamma = rows_of_evaluated(self.gamma)[:, tf.newaxis]
        beta = rows_of_evaluated(self.beta)[:, tf.newaxis]
        centered = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centered), axis=-1, keepdims=True)
        normal = centered * tf.math.rsqrt(variance + self.epsilon)
        return filled_up(tf.unstack(normal * gamma + beta), len(inputs))

    def get_config(self) -> dict:
        return {**super().get_config(), "epsilon": self.epsilon}


class EnsembleRmsNormalization(tf.keras.layers.Layer):
    """Root-mean-square normalization (1910.07467): each row to a mean square of 1, times `gamma`.

    `gamma` of each member keeps its initial norm, sqrt(units), after each step of an optimizer
    (FlashSAC, 2604.04539).
    """

    def __init__(self, epsilon: float = 1e-6, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: list[tf.TensorShape]) -> None:
        units = input_shape[0][-1]
        self.gamma = self.add_weight(
            "gamma",
            [len(input_shape), units],
            initializer="ones",
            constraint=fixed_norm([1], math.sqrt(units)),
        )
        super().build(input_shape)

    def call(self, inputs: Members) -> list[tf.Tensor]:
        """Takes and returns N tensors [B, units]."""
        x = tf.stack(evaluated(inputs))
        gamma = rows_of_evaluated(self.gamma)[:, tf.newaxis]
        mean_square = tf.reduce_mean(tf.square(x), axis=-1, keepdims=True)
        normal = x * tf.math.rsqrt(mean_square + self.epsilon)
        return filled_up(tf.unstack(normal * gamma), len(inputs))

    def get_config(self) -> dict:
        return {**super().get_config(), "epsilon": self.epsilon}


class EnsembleBatchNormalization(tf.keras.layers.Layer):
    """Batch normalization (1502.03167): in training by the statistics of the batch, otherwise by
    the moving ones.

    `gamma_and_beta` [N, 2, units] are scale and offset. With `fixed_norm` those of a member keep
    their initial norm together, sqrt(units), after each step of an optimizer (FlashSAC,
    2604.04539).
    """

    def __init__(
        self, momentum: float = 0.99, epsilon: float = 1e-3, fixed_norm: bool = False, **kwargs
    ):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.fixed_norm = fixed_norm

    def build(self, input_shape: list[tf.TensorShape]) -> None:
        members = len(input_shape)
        units = input_shape[0][-1]
        initial = np.stack([np.ones([members, units]), np.zeros([members, units])], axis=1)
        self.gamma_and_beta = self.add_weight(
            "gamma_and_beta",
            [members, 2, units],
            initializer=tf.constant_initializer(initial),
            constraint=fixed_norm([1, 2], math.sqrt(units)) if self.fixed_norm else None,
        )
        shape = [members, units]
        self.moving_mean = self.add_weight(
            "moving_mean", shape, initializer="zeros", trainable=False
        )
        self.moving_variance = self.add_weight(
            "moving_variance", shape, initializer="ones", trainable=False
        )
        super().build(input_shape)

    def call(self, inputs: Members, training: bool = False) -> list[tf.Tensor]:
        """Takes and returns N tensors [B, units]; training updates the moving statistics."""
        if training:
            members = inputs
            moments = [devices.moments(x, axis=0) for x in members]
            mean, variance = (tf.stack(values) for values in zip(*moments, strict=True))
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance)
            gamma_and_beta = self.gamma_and_beta
        else:
            members = evaluated(inputs)
            moving = (self.moving_mean, self.moving_variance, self.gamma_and_beta)
            mean, variance, gamma_and_beta = map(rows_of_evaluated, moving)
        gamma, beta = tf.unstack(gamma_and_beta, axis=1)
        of_members = zip(*map(tf.unstack, (mean, variance, beta, gamma)), strict=True)
        outputs = [
            tf.nn.batch_normalization(x, *statistics, self.epsilon)
            for x, statistics in zip(members, of_members, strict=True)
        ]
        return filled_up(outputs, len(inputs))

    def _move(self, moving: tf.Variable, value: tf.Tensor) -> None:
        moving.assign_add((1 - self.momentum) * (value - moving))

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "fixed_norm": self.fixed_norm,
        }


class EnsembleBatchRenormalization(tf.keras.layers.Layer):
    """Batch renormalization (1702.03275); plain batch normalization in its first `warm_up` training
    calls.

    In training a feature becomes (x - batch mean) / batch std * r + d. Here r = batch std / moving
    std, clipped to [1 / R_MAX, R_MAX], and d = (batch mean - moving mean) / moving std, clipped to
    [-D_MAX, D_MAX], are constants to the gradient. Without clipping this equals (x - moving mean) /
    moving std, which is what acting computes. During warm-up r = 1 and d = 0. The moving statistics
    and the counter of training calls are non-trainable variables.
    """

    def __init__(
        self, momentum: float = 0.99, warm_up: int = 100_000, epsilon: float = 1e-3, **kwargs
    ):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.warm_up = warm_up
        self.epsilon = epsilon

    def build(self, input_shape: list[tf.TensorShape]) -> None:
        shape = [len(input_shape), input_shape[0][-1]]
        self.gamma = self.add_weight("gamma", shape, initializer="ones")
        self.beta = self.add_weight("beta", shape, initializer="zeros")
        self.moving_mean = self.add_weight(
            "moving_mean", shape, initializer="zeros", trainable=False
        )
        self.moving_variance = self.add_weight(
            "moving_variance", shape, initializer="ones", trainable=False
        )
        self.calls = self.add_weight("calls", [], tf.int64, initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, inputs: Members, training: bool = False) -> list[tf.Tensor]:
        """Takes and returns N tensors [B, units]; in training, normalizes by their statistics and
        updates the moving statistics."""
        if not training:
            scale = self.gamma * self._inverse(self.moving_variance)
            moving = map(rows_of_evaluated, (self.moving_mean, scale, self.beta))
            return filled_up(_normalize(tf.stack(evaluated(inputs)), *moving), len(inputs))
        x = tf.stack(inputs)
        mean, variance = devices.moments(x, axis=1)
        r, d = self._correction(tf.stop_gradient(mean), tf.stop_gradient(variance))
        scale = self.gamma * r * self._inverse(variance)
        return _normalize(x, mean, scale, self.beta + self.gamma * d)

    def _inverse(self, variance: tf.Tensor) -> tf.Tensor:
        """Returns 1 / std."""
        return tf.math.rsqrt(variance + self.epsilon)

    def _correction(self, mean: tf.Tensor, variance: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns r and d [N, units] for batch statistics [N, units], then updates the moving
        statistics with them."""
        is_warm = self.calls >= self.warm_up
        moving = self._inverse(self.moving_variance)
        r = tf.clip_by_value(moving / self._inverse(variance), 1 / R_MAX, R_MAX)
        d = tf.clip_by_value((mean - self.moving_mean) * moving, -D_MAX, D_MAX)
        self.moving_mean.assign_add((1 - self.momentum) * (mean - self.moving_mean))
        self.moving_variance.assign_add((1 - self.momentum) * (variance - self.moving_variance))
        self.calls.assign_add(1)
        return tf.where(is_warm, r, 1.0), tf.where(is_warm, d, 0.0)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "warm_up": self.warm_up,
            "epsilon": self.epsilon,
        }


def _normalize(
    x: tf.Tensor, mean: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor
) -> list[tf.Tensor]:
    """Returns (x - mean) * scale + offset, one tensor per member, for x [N, B, units] and the
    others [N, units]."""
    mean, scale, offset = (value[:, tf.newaxis] for value in (mean, scale, offset))
    return tf.unstack((x - mean) * scale + offset)
