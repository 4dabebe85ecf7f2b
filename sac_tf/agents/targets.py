"""Target networks: copies of a network that follow it as a Polyak average."""

from collections.abc import Callable
from typing import TypeAlias

import gin
import tensorflow as tf

from sac_tf.agents.policy import Policy
from sac_tf.agents.trainable import Trainable
from sac_tf.errors import ConfigurationError, require_number
from sac_tf.pinned.kernels import move_towards
from sac_tf.types import EnvironmentSpec

Network: TypeAlias = tf.keras.Model | Policy


@gin.configurable
def copy_of_critic(
    critic: tf.keras.Model,
    make: Callable[[EnvironmentSpec, int], tf.keras.Model],
    spec: EnvironmentSpec,
    seed: int,
) -> tf.keras.Model:
    """Returns target critics with the weights of `critic`; their dropout masks come from `seed`."""
    target = make(spec, seed)
    copy_values(target, critic)
    return target


def require_rate(name: str, tau: float) -> None:
    """Raises ConfigurationError unless `tau` is a Polyak rate; `name` is that of the setting."""
    require_number(name, tau, lambda x: 0 < x <= 1, "a number above 0 and at most 1")


def require_targets(step: str, critics: Trainable) -> tf.keras.Model:
    """Returns the target critics; raises ConfigurationError if a step does without them."""
    if critics.target is None:
        raise ConfigurationError(
            f"{step} needs target critics: SacState.target_critic must not be None."
        )
    return critics.target


def require_no_targets(step: str, critics: Trainable) -> None:
    """Raises ConfigurationError if there are target critics, and a step does without them."""
    if critics.target is not None:
        raise ConfigurationError(
            f"{step} learns without target critics: set SacState.target_critic to None."
        )


def copy_values(target: Network, network: Network) -> None:
    """Gives a new target network the values of `network`."""
    for variable, source in averaged_pairs(target, network):
        variable.assign(source)


def averaged_pairs(target: Network, network: Network) -> list[tuple[tf.Variable, tf.Variable]]:
    """Returns the pairs of variables that are averaged: no integer counters, no shared
    variables."""
    pairs = zip(target.variables, network.variables, strict=True)
    return [(own, other) for own, other in pairs if own.dtype.is_floating and own is not other]


def update_targets(target: Network, network: Network, tau: float | tf.Tensor) -> None:
    """Moves `target` by `tau` of the way to `network`: target <- (1 - tau) target + tau network."""
    for variable, source in averaged_pairs(target, network):
        move_towards(variable, source, tau)
