"""Keras' legacy optimizers: decoupled weight decay, and conversion from the current classes.

Reason: TensorFlow 2.15 runs the legacy Adam as one fused kernel per variable. Its AdamW exists only
among the current classes, which are slower on a CPU.
"""

from typing import Any

import keras
import tensorflow as tf

from sac_tf.pinned import require_tested


class AdamW(tf.keras.optimizers.legacy.Adam):
    """Adam with decoupled weight decay (1711.05101) of every variable, including biases, as in
    PyTorch."""

    def __init__(self, weight_decay: float, *adam_arguments: Any, **keywords: Any):
        """Takes the decay, which each step multiplies by the learning rate, and the arguments of
        Adam."""
        require_tested(keras)
        super().__init__(*adam_arguments, **keywords)
        self._weight_decay = weight_decay

    def _resource_apply_dense(
        self, grad: tf.Tensor, var: tf.Variable, apply_state: dict
    ) -> tf.Operation:
        learning_rate = apply_state[(var.device, var.dtype.base_dtype)]["lr_t"]
        var.assign_sub(learning_rate * self._weight_decay * var)
        return super()._resource_apply_dense(grad, var, apply_state)


def to_legacy(optimizer: tf.keras.optimizers.Optimizer) -> tf.keras.optimizers.legacy.Optimizer:
    """Returns the legacy optimizer with the settings of a current one."""
    require_tested(keras)
    return tf.keras.__internal__.optimizers.convert_to_legacy_optimizer(optimizer)
