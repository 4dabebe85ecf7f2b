"""The two ways a run can go wrong that a user can mend, and the checks that raise the first."""

from collections.abc import Callable
from typing import Any


class ConfigurationError(ValueError):
    """A flag, a gin binding or an argument that cannot work. Binaries print it and exit with 2."""


class RunError(RuntimeError):
    """Something that broke while running (a NaN, a full disk). Binaries print it and exit with 1."""


def require_count(name: str, value: Any, minimum: int = 1) -> int:
    """Returns `value` if it is an integer of at least `minimum`; raises ConfigurationError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ConfigurationError(f"{name} must be an integer of at least {minimum}, got {value!r}.")
    return value


def require_number(name: str, value: Any, accept: Callable[[float], bool], wanted: str) -> float:
    """Returns `value` as a float if it is a number that `accept` takes; raises ConfigurationError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not accept(value):
        raise ConfigurationError(f"{name} must be {wanted}, got {value!r}.")
    return float(value)
