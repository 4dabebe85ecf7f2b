"""gin's registry, read without calling anything: the settings of a program before it runs.

Reason: gin knows which bindings a program used only after everything was called. The functions here
follow bindings and signature defaults from a root instead, so a setting that nothing uses is found
before any work, and processes that use different parts of a run can compare all of its settings.
"""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import gin
from gin import config

_MACRO = "gin.macro"


class InScope:
    """A configurable called in a gin scope: as a default, `InScope("actor", adam)` obeys
    `actor/adam.learning_rate` and, where that is not bound, `adam.learning_rate`."""

    def __init__(self, scope: str, configurable: Callable[..., Any]):
        self.scope = scope
        self.configurable = configurable

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        with gin.config_scope([self.scope]):
            return self.configurable(*arguments, **keywords)


class Settings(NamedTuple):
    """The settings of everything that can be reached from some roots.

    Attributes:
      values: {"scope/name.parameter": value as gin text}, bound or default. Values that gin cannot
        write, such as a lambda, are left out.
      modules: that register the configurables.
      unused: bindings that nothing reached uses, as "scope/name.parameter"; those that repeat a
        default are not among them.
    """

    values: dict[str, str]
    modules: set[str]
    unused: list[str]


class _Node(NamedTuple):
    """A configurable in a scope."""

    scope: tuple[str, ...]
    configurable: config.Configurable


def settings_of(roots: Iterable[Any], ignored: Mapping[str, set[str]]) -> Settings:
    """Returns the settings of `roots` and of what they refer to.

    Args:
      roots: configurable functions and classes, and instances of configurable dataclasses, whose
        fields count instead of bindings.
      ignored: {name: parameters} that this kind of run never reads.
    """
    values: dict[str, str] = {}
    modules: set[str] = set()
    used: set[tuple[str, str, str]] = set()
    reached: set[tuple[tuple[str, ...], str]] = set()
    waiting = [_root(root) for root in roots]
    while waiting:
        node, given = waiting.pop()
        key = (node.scope, node.configurable.selector)
        if key in reached:
            continue
        reached.add(key)
        modules.add(_module(node.configurable))
        name = _name(node)
        for parameter, value in _parameters(node, given).items():
            if parameter in ignored.get(node.configurable.name, ()):
                continue
            used |= {(scope, node.configurable.selector, parameter) for scope in _scopes(node)}
            text = _text(value)
            if text is not None:
                values[f"{name}.{parameter}"] = text
            waiting += [(child, None) for child in _references(value, node.scope)]
    unused = sorted(
        f"{scope}/{_short(selector)}.{parameter}".removeprefix("/")
        for (scope, selector), bound in config._CONFIG.items()
        for parameter, value in bound.items()
        if selector != _MACRO
        and (scope, selector, parameter) not in used
        and not _is_default(selector, parameter, value)
    )
    return Settings(values, modules - {"__main__", ""}, unused)


def _root(root: Any) -> tuple[_Node, Mapping[str, Any] | None]:
    given = None
    if dataclasses.is_dataclass(root) and not isinstance(root, type):
        given = {field.name: getattr(root, field.name) for field in dataclasses.fields(root)}
        root = type(root)
    configurable = config._inverse_lookup(root)
    if configurable is None:
        raise TypeError(f"{root} is not a gin configurable.")
    return _Node((), configurable), given


def _parameters(node: _Node, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns what gin may bind: parameters with their values. Bindings that the caller overrides
    with fields of a dataclass are replaced by them."""
    signature = inspect.signature(node.configurable.wrapped)
    defaults = {
        parameter.name: parameter.default
        for parameter in signature.parameters.values()
        if parameter.default is not inspect.Parameter.empty and _module(node.configurable)
    }
    with gin.config_scope(list(node.scope)):
        bound = gin.get_bindings(node.configurable.selector, resolve_references=False)
    values = {name: value for name, value in defaults.items() if value is not gin.REQUIRED} | bound
    if given is None:
        return values
    # A field that gin filled keeps its reference, which shows scope and name.
    return values | {name: value for name, value in given.items() if name not in bound}


def _module(configurable: config.Configurable) -> str:
    """Returns the module that registers a configurable, "" for those of Reverb, which sac_tf
    registers and whose defaults are Reverb's own affair."""
    module = configurable.wrapped.__module__
    return "" if module.startswith("reverb.") else module


def _is_default(selector: str, parameter: str, value: Any) -> bool:
    signature = inspect.signature(config._REGISTRY[selector].wrapped)
    return parameter in signature.parameters and value == signature.parameters[parameter].default


def _references(value: Any, scope: tuple[str, ...]) -> Iterator[_Node]:
    """Yields the configurables that a value refers to; `scope` is active where they are called."""
    if isinstance(value, config.ConfigurableReference):
        if value.configurable.selector == _MACRO:
            yield from _references(_macro_value(value), scope)
        else:
            yield _Node(tuple(value.scopes) or scope, value.configurable)
    elif isinstance(value, InScope):
        for node in _references(value.configurable, scope):
            yield node._replace(scope=(value.scope,))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _references(item, scope)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _references(item, scope)
    elif callable(value):
        configurable = config._inverse_lookup(value)
        if configurable is not None:
            yield _Node(scope, configurable)


def _text(value: Any) -> str | None:
    """Returns a value as gin text, or None if gin cannot write it."""
    if isinstance(value, config.ConfigurableReference):
        if value.configurable.selector == _MACRO:
            return _text(_macro_value(value))
        return repr(value)
    if isinstance(value, InScope):
        inner = _text(value.configurable)
        return None if inner is None else f"@{value.scope}/{inner.removeprefix('@')}"
    if isinstance(value, tuple | list):
        items = [_text(item) for item in value]
        if None in items:
            return None
        comma = "," if isinstance(value, tuple) and len(items) == 1 else ""
        joined = ", ".join(map(str, items)) + comma
        return f"({joined})" if isinstance(value, tuple) else f"[{joined}]"
    if callable(value):
        configurable = config._inverse_lookup(value)
        return None if configurable is None else f"@{_short(configurable.selector)}"
    return repr(value) if config._is_literally_representable(value) else None


def _macro_value(reference: config.ConfigurableReference) -> Any:
    with gin.config_scope(list(reference.scopes)):
        return gin.get_bindings(_MACRO, resolve_references=False)["value"]


def _scopes(node: _Node) -> list[str]:
    """Returns the scopes whose bindings the node obeys: every prefix of its own."""
    return ["/".join(node.scope[:end]) for end in range(len(node.scope) + 1)]


def _name(node: _Node) -> str:
    return "/".join([*node.scope, _short(node.configurable.selector)])


def _short(selector: str) -> str:
    return config._REGISTRY.minimal_selector(selector)
