"""Devices of a train state: one, or several by `tf.distribute.MirroredStrategy`."""

import contextlib
from contextlib import AbstractContextManager

import gin
import tensorflow as tf

from sac_tf.errors import ConfigurationError, require_count


@gin.configurable
def one_device() -> AbstractContextManager:
    """Returns the scope of a state on TensorFlow's default device."""
    return contextlib.nullcontext()


@gin.configurable
def mirrored(devices: int | None = None) -> AbstractContextManager:
    """Returns the scope of a state with a copy of each variable on each device.

    Its checkpoint is that of one device: either can be restored from the other.

    Args:
      devices: number of devices, in TensorFlow's order; None uses all. They are GPUs, or CPUs if
        there is no GPU.

    Raises:
      ConfigurationError: fewer devices are available.
    """
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    names = [f"{device.device_type}:{number}" for number, device in enumerate(found)]
    if devices is not None and require_count("mirrored.devices", devices) > len(names):
        raise ConfigurationError(
            f"mirrored.devices={devices} exceeds the available devices: {', '.join(names)}."
        )
    reduction = None
    if names[0].startswith("CPU"):
        # TensorFlow's all-reduce on CPUs mixes up two strategies of one process, and aborts.
        reduction = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(names[:devices], reduction).scope()
