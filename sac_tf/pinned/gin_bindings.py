"""gin's bindings: how to remove one.

Reason: gin adds and replaces bindings, but cannot remove a single one.
"""

import contextlib
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import gin
from gin import config

from sac_tf.pinned.gin_registry import MACRO, references


def forget(settings: Iterable[str]) -> None:
    """Removes the bindings of "name.parameter" outside of all scopes, if there are some."""
    for setting in settings:
        name, _, parameter = setting.rpartition(".")
        selector = config._REGISTRY.get_match(name).selector
        config._CONFIG.get(("", selector), {}).pop(parameter, None)


@contextlib.contextmanager
def forget_settings_of_replaced() -> Iterator[None]:
    """Removes, at the end of the context, earlier bindings that have lost their user in it.

    If `adam.learning_rate` was `@linear_decay()` and becomes 1e-3 within the context, nothing
    refers to `linear_decay` any more, and its earlier bindings are removed. Bindings made within
    the context stay, as do those of a configurable that is a default anywhere.
    """
    before = _all_bindings()
    had_users = _referred_to()
    yield
    candidates = had_users - _defaults()
    # What is removed may itself have been the last user of something else.
    while removable := [
        (bound, parameter)
        for key, bound in config._CONFIG.items()
        if _owner(*key) in candidates - _referred_to()
        for parameter, value in bound.items()
        if before.get(key, {}).get(parameter) is value
    ]:
        for bound, parameter in removable:
            del bound[parameter]


@contextlib.contextmanager
def separate_settings() -> Iterator[None]:
    """Within the context gin has no bindings; those of before come back at the end."""
    before = _all_bindings()
    was_locked = gin.config_is_locked()
    gin.clear_config()
    try:
        yield
    finally:
        gin.clear_config()
        config._CONFIG.update(before)
        config._set_config_is_locked(was_locked)


def _all_bindings() -> dict[tuple[str, str], dict[str, Any]]:
    """Returns a copy of all bindings, {(scope, selector): {parameter: value}}."""
    return {key: dict(bound) for key, bound in config._CONFIG.items()}


def _referred_to() -> set[str]:
    """Returns the configurables and macros that bindings refer to, as `_owner` names them."""
    return {
        _owner("/".join(reference.scopes), reference.configurable.selector)
        for reference in config.iterate_references(config._CONFIG)
    }


def _defaults() -> set[str]:
    """Returns the configurables that defaults of configurables refer to."""
    return {
        node.configurable.selector
        for _, configurable in config._REGISTRY.items()
        for parameter in inspect.signature(configurable.wrapped).parameters.values()
        for node in references(parameter.default)
    }


def _owner(scope: str, selector: str) -> str:
    """Returns the name of the macro, or the selector of the configurable, that a binding is of."""
    return scope if selector == MACRO else selector
