"""Weights of a fixed norm: constraints that optimizers apply after each step, and the initial
kernels of dense layers.

The layer before a normalization is as good with any scale of its weights, but their growth makes
its steps smaller and smaller. A fixed norm keeps the effective learning rate (2509.25174).
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import tensorflow as tf

Initializer: TypeAlias = tf.keras.initializers.Initializer
Constraint: TypeAlias = Callable[[tf.Tensor], tf.Tensor]


def fixed_norm(axes: Sequence[int], norm: float = 1.0) -> Constraint:
    """Returns the constraint that scales a variable to the L2 norm `norm` over `axes`."""
    return lambda weights: norm * tf.math.l2_normalize(weights, axes)


class UnitNormOrthogonal(tf.keras.initializers.Orthogonal):
    """Orthogonal kernels, whose columns have a norm of 1 also where they are more than the rows."""

    def __call__(self, shape: Sequence[int], dtype: tf.DType = None, **kwargs) -> tf.Tensor:
        return _UNIT_COLUMNS(super().__call__(shape, dtype, **kwargs))


_UNIT_COLUMNS = fixed_norm([0])


def kernel_settings(seed: int, unit_norm: bool) -> tuple[Initializer, Constraint | None]:
    """Returns the initializer of a kernel [inputs, units], and its constraint.

    Args:
      seed: of the initial weights.
      unit_norm: columns of norm 1, orthogonal at the start; otherwise Glorot-uniform weights.
    """
    if unit_norm:
        return UnitNormOrthogonal(seed=seed), _UNIT_COLUMNS
    return tf.keras.initializers.GlorotUniform(seed), None
