"""A train state on several devices, by `tf.distribute.MirroredStrategy`."""

import gin
import tensorflow as tf

from sac_tf.agents.sac.state import MakeState, TrainState
from sac_tf.errors import ConfigurationError, require_count
from sac_tf.types import EnvironmentSpec


@gin.configurable
def mirrored_state(
    spec: EnvironmentSpec,
    seed: int,
    discount: float,
    state: MakeState = TrainState,
    devices: int | None = None,
) -> TrainState:
    """Returns a train state with a copy of each variable on each device.

    Its checkpoint is that of one device: either can be restored from the other.

    Args:
      spec, seed, discount: of the state.
      state: builds it.
      devices: number of devices, in TensorFlow's order; None uses all. They are GPUs, or CPUs if
        there is no GPU.

    Raises:
      ConfigurationError: fewer devices are available.
    """
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    names = [f"{device.device_type}:{number}" for number, device in enumerate(found)]
    if devices is not None and require_count("mirrored_state.devices", devices) > len(names):
        raise ConfigurationError(
            f"mirrored_state.devices={devices} exceeds the available devices: {', '.join(names)}."
        )
    reduction = None
    if names[0].startswith("CPU"):
        # TensorFlow's all-reduce on CPUs mixes up two strategies of one process, and aborts.
        reduction = tf.distribute.ReductionToOneDevice()
    with tf.distribute.MirroredStrategy(names[:devices], reduction).scope():
        return state(spec, seed, discount)
