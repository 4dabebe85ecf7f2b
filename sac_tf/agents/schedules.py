"""Learning-rate schedules: functions of the steps that an optimizer has taken. The step number is
saved with the optimizer."""

from typing import TypeAlias

import gin
import tensorflow as tf

from sac_tf.errors import POSITIVE, require_count, require_number

Schedule: TypeAlias = tf.keras.optimizers.schedules.LearningRateSchedule


def require_learning_rate(name: str, value: float | Schedule) -> float | Schedule:
    """Returns `value` if it is a schedule or a positive number; raises ConfigurationError
    otherwise."""
    if not isinstance(value, tf.keras.optimizers.schedules.LearningRateSchedule):
        require_number(
            name, value, lambda rate: rate > 0, "a number above 0, or @linear_warmup() for example"
        )
    return value


@gin.configurable
def linear_warmup(learning_rate: float = 3e-4, warmup_steps: int = 2000) -> Schedule:
    """Returns the schedule that rises from 0 at the first step to `learning_rate` at step
    `warmup_steps`, and is constant afterwards.

    The first step changes nothing, as in SERL, whose `warmup_steps` is the default.

    Args:
      learning_rate: the rate after the warm-up.
      warmup_steps: optimizer steps of the warm-up.

    Raises:
      ConfigurationError: a number out of range.
    """
    require_number("linear_warmup.learning_rate", learning_rate, *POSITIVE)
    require_count("linear_warmup.warmup_steps", warmup_steps)
    return tf.keras.optimizers.schedules.PolynomialDecay(0.0, warmup_steps, learning_rate)


@gin.configurable
def linear_decay(
    learning_rate: float = 3e-4, decay_steps: int = 1_000_000, final_fraction: float = 0.0
) -> Schedule:
    """Returns the schedule that falls linearly from `learning_rate`.

    Args:
      learning_rate: the rate at the start.
      decay_steps: optimizer steps of the decay.
      final_fraction: the rate after the decay, as a fraction of `learning_rate`.

    Raises:
      ConfigurationError: a number out of range.
    """
    require_number("linear_decay.learning_rate", learning_rate, *POSITIVE)
    require_count("linear_decay.decay_steps", decay_steps)
    _require_fraction("linear_decay.final_fraction", final_fraction)
    end = final_fraction * learning_rate
    return tf.keras.optimizers.schedules.PolynomialDecay(learning_rate, decay_steps, end)


@gin.configurable
def cosine_decay(
    learning_rate: float = 3e-4,
    decay_steps: int = 1_000_000,
    warmup_steps: int = 0,
    final_fraction: float = 0.0,
) -> Schedule:
    """Returns the schedule that rises linearly to `learning_rate` and then decays along half a
    cosine (1608.03983).

    Args:
      learning_rate: the peak.
      decay_steps: optimizer steps of the decay, after the warm-up.
      warmup_steps: optimizer steps of the warm-up; 0 starts at `learning_rate`.
      final_fraction: the rate after the decay, as a fraction of `learning_rate`.

    Raises:
      ConfigurationError: a number out of range.
    """
    require_number("cosine_decay.learning_rate", learning_rate, *POSITIVE)
    require_count("cosine_decay.decay_steps", decay_steps)
    require_count("cosine_decay.warmup_steps", warmup_steps, minimum=0)
    _require_fraction("cosine_decay.final_fraction", final_fraction)
    if warmup_steps == 0:
        return tf.keras.optimizers.schedules.CosineDecay(learning_rate, decay_steps, final_fraction)
    return tf.keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps, final_fraction, warmup_target=learning_rate, warmup_steps=warmup_steps
    )


def _require_fraction(name: str, value: float) -> None:
    require_number(name, value, lambda fraction: 0 <= fraction <= 1, "a number from 0 to 1")
