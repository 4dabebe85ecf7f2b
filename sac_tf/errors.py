"""Errors that a user can fix, and checks of settings that raise them."""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any


class ConfigurationError(ValueError):
    """A flag, a gin binding or an argument that cannot work: exit code 2 of programs."""


class RunError(RuntimeError):
    """A failure while running (a NaN, a full disk): exit code 1 of programs."""


class Diverged(RunError):
    """A loss or another metric of the update is NaN or infinite."""


def require_count(name: str, value: Any, minimum: int = 1) -> int:
    """Returns `value` if it is an integer of at least `minimum`; raises ConfigurationError
    otherwise."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ConfigurationError(f"{name} must be an integer of at least {minimum}, got {value!r}.")
    return int(value)


def require_counts(name: str, values: Any) -> tuple[int, ...]:
    """Returns `values` as a tuple if it is a sequence of positive integers; raises
    ConfigurationError otherwise."""
    if not isinstance(values, list | tuple):
        raise ConfigurationError(
            f"{name} must be a sequence of integers, (256, 256) for example, got {values!r}."
        )
    return tuple(require_count(name, value) for value in values)


POSITIVE = (lambda value: 0 < value < math.inf, "a number above 0")
NOT_NEGATIVE = (lambda value: 0 <= value < math.inf, "a number of at least 0")
"""Ranges for `require_number`: what is accepted, and its description."""


def require_number(name: str, value: Any, accept: Callable[[float], bool], wanted: str) -> float:
    """Returns `value` as a float if it is a number and `accept(value)` is true; raises
    ConfigurationError otherwise.

    Args:
      name: of the setting, for the message.
      value: of the setting.
      accept: whether a number is in range.
      wanted: describes the range for the message: "a number above 0", for example.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not accept(float(value)):
        raise ConfigurationError(f"{name} must be {wanted}, got {value!r}.")
    return float(value)
