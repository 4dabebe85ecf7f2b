"""gin's registry, read without calling anything: the settings of a program before it runs.

Reason: gin knows which bindings a program used only after everything was called. The functions here
follow bindings and signature defaults from a root instead, so a setting that nothing uses is found
before any work, and processes that use different parts of a run can compare all of its settings.
"""

import copy
import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import gin
import numpy as np
from gin import config

from sac_tf.errors import ConfigurationError

MACRO = "gin.macro"
"""Selector under which gin keeps the value of a macro, in a scope that is its name."""
_OWN_MODULES = "sac_tf."


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
      unused: bindings and macros without effect, as "scope/name.parameter" or "MACRO"; bindings
        that repeat a default are not among them.
      defaults: the names in `values` whose value is the default.
    """

    values: dict[str, str]
    modules: set[str]
    unused: list[str]
    defaults: set[str]


class Node(NamedTuple):
    """A configurable in a scope."""

    scope: tuple[str, ...]
    configurable: config.Configurable


class _Binding(NamedTuple):
    """A parameter that gin may bind, in one scope; "" is the outermost."""

    scope: str
    selector: str
    parameter: str


def settings_of(roots: Iterable[Any], ignored: Mapping[str, set[str]]) -> Settings:
    """Returns the settings of `roots` and of what they refer to.

    Args:
      roots: configurable functions and classes, and instances of configurable dataclasses, whose
        fields count instead of bindings.
      ignored: {name: parameters} that this kind of run never reads.

    Raises:
      ConfigurationError: a macro without a value.
    """
    values: dict[str, str] = {}
    modules: set[str] = set()
    defaults: set[str] = set()
    used: set[_Binding] = set()
    reached: set[tuple[tuple[str, ...], str]] = set()
    waiting = [_root(root) for root in roots]
    while waiting:
        node, given = waiting.pop()
        selector = node.configurable.selector
        if (node.scope, selector) in reached:
            continue
        reached.add((node.scope, selector))
        modules.add(_module(node.configurable))
        for parameter, value in _parameters(node, given).items():
            if parameter in ignored.get(node.configurable.name, ()):
                continue
            used |= {_Binding(scope, selector, parameter) for scope in _scopes(node)}
            used |= {_Binding(macro, MACRO, "value") for macro in _macros(value)}
            text = _text(value)
            if text is not None:
                name = f"{_name(node)}.{parameter}"
                values[name] = text
                if _is_default(_Binding("", selector, parameter), value):
                    defaults.add(name)
            waiting += [(child, None) for child in references(value, node.scope)]
    return Settings(values, modules - {"__main__", ""}, _unused(used), defaults)


def default_of(setting: str) -> str | None:
    """Returns the signature default of "scope/name.parameter" as gin text; None if it has none, or
    one that gin cannot write."""
    name, _, parameter = setting.rpartition("/")[2].rpartition(".")
    signature = inspect.signature(config._REGISTRY.get_match(name).wrapped)
    known = signature.parameters.get(parameter)
    if known is None or known.default in (inspect.Parameter.empty, gin.REQUIRED):
        return None
    return _text(known.default)


def references(value: Any, scope: tuple[str, ...] = ()) -> Iterator[Node]:
    """Yields the configurables that a value refers to; `scope` is active where they are called."""
    if isinstance(value, config.ConfigurableReference):
        if value.configurable.selector == MACRO:
            yield from references(_macro_value(value), scope)
        else:
            yield Node(tuple(value.scopes) or scope, value.configurable)
    elif isinstance(value, InScope):
        for node in references(value.configurable, scope):
            yield node._replace(scope=(value.scope,))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references(item, scope)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from references(item, scope)
    elif callable(value):
        configurable = config._inverse_lookup(value)
        if configurable is not None:
            yield Node(scope, configurable)


def _unused(used: set[_Binding]) -> list[str]:
    """Returns the names of all bindings that are not in `used` and do not repeat a default."""
    names = []
    for (scope, selector), bound in config._CONFIG.items():
        for parameter, value in bound.items():
            binding = _Binding(scope, selector, parameter)
            if binding in used or _is_default(binding, value):
                continue
            name = f"{scope}/{_short(selector)}.{parameter}".removeprefix("/")
            names.append(scope if selector == MACRO else name)
    return sorted(names)


def _root(root: Any) -> tuple[Node, Mapping[str, Any] | None]:
    given = None
    if dataclasses.is_dataclass(root) and not isinstance(root, type):
        given = {field.name: getattr(root, field.name) for field in dataclasses.fields(root)}
        root = type(root)
    configurable = config._inverse_lookup(root)
    if configurable is None:
        raise TypeError(f"{root} is not a gin configurable.")
    return Node((), configurable), given


def _parameters(node: Node, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns {parameter: value} of what gin may bind: what is bound, or else the default.

    Args:
      node: the configurable.
      given: the fields of a dataclass, or None. A field wins over a binding of another value; a
        field that gin filled keeps its reference, which shows scope and name.
    """
    signature = inspect.signature(node.configurable.wrapped)
    values: dict[str, Any] = {}
    arguments: set[str] = set()
    for parameter in signature.parameters.values():
        if parameter.default is inspect.Parameter.empty:
            arguments.add(parameter.name)
        elif parameter.default is not gin.REQUIRED and _module(node.configurable):
            values[parameter.name] = parameter.default
    with gin.config_scope(list(node.scope)):
        bound = gin.get_bindings(node.configurable.selector, resolve_references=False)
    # The library passes all arguments without a default in its own calls, and so overrides gin.
    is_own = node.configurable.wrapped.__module__.startswith(_OWN_MODULES)
    values |= {name: value for name, value in bound.items() if not (is_own and name in arguments)}
    for name, value in (given or {}).items():
        if name not in bound or not _may_resolve_to(bound[name], value):
            values[name] = value
    return values


def _may_resolve_to(bound: Any, value: Any) -> bool:
    """Returns whether gin may have made `value` from what is bound. It always may from the result
    of a call (`@name()`), which is not repeated here."""
    found = config.iterate_references({"bound": bound})
    if any(one.evaluate and one.configurable.selector != MACRO for one in found):
        return True
    return bool(copy.deepcopy(bound) == value)  # which is how gin resolves references


def _module(configurable: config.Configurable) -> str:
    """Returns the module that registers a configurable, or "" for those of Reverb: sac_tf registers
    them, and their defaults are part of Reverb."""
    module = configurable.wrapped.__module__
    return "" if module.startswith("reverb.") else module


def _is_default(binding: _Binding, value: Any) -> bool:
    parameters = inspect.signature(config._REGISTRY[binding.selector].wrapped).parameters
    if binding.parameter not in parameters:
        return False
    default = parameters[binding.parameter].default
    text = _text(value)
    return value == default or (text is not None and text == _text(default))


def _macros(value: Any) -> Iterator[str]:
    """Yields the names of the macros in a value, and of those in their values."""
    for reference in config.iterate_references({"value": value}):
        if reference.configurable.selector == MACRO:
            yield _macro_name(reference)
            yield from _macros(_macro_value(reference))


def _text(value: Any) -> str | None:
    """Returns a value as gin text, or None if gin cannot write it."""
    if isinstance(value, np.generic):  # a NumPy number
        value = value.item()
    if isinstance(value, config.ConfigurableReference):
        if value.configurable.selector == MACRO:
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


def _macro_name(reference: config.ConfigurableReference) -> str:
    return "/".join(reference.scopes)


def _macro_value(reference: config.ConfigurableReference) -> Any:
    with gin.config_scope(list(reference.scopes)):
        bound = gin.get_bindings(MACRO, resolve_references=False)
    if "value" not in bound:
        name = _macro_name(reference)
        raise ConfigurationError(f"The macro {name} has no value; bind {name} = ... in gin.")
    return bound["value"]


def _scopes(node: Node) -> list[str]:
    """Returns the scopes whose bindings the node obeys: every prefix of its own."""
    return ["/".join(node.scope[:end]) for end in range(len(node.scope) + 1)]


def _name(node: Node) -> str:
    return "/".join([*node.scope, _short(node.configurable.selector)])


def _short(selector: str) -> str:
    return config._REGISTRY.minimal_selector(selector)
