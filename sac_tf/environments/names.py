"""Names of tasks and wrappers, and their arguments, as the files of a run hold them."""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from sac_tf.environments.conversion import short
from sac_tf.errors import ConfigurationError

_TUPLE = "tuple"
"""Key of an object of JSON that stands for a tuple."""


def name_of(task: Any) -> str:
    """Returns an id as it is, `module:function` of a function that can be imported, and for other
    functions a name in angle brackets, which only describes them."""
    if isinstance(task, str):
        return task
    name = getattr(task, "__qualname__", type(task).__qualname__)
    text = f"{getattr(task, '__module__', None)}:{name}"
    try:
        is_importable = resolve(text) is task
    except (ImportError, AttributeError):
        is_importable = False
    return text if is_importable else f"<{text}>"


def resolve(name: str) -> Any:
    """Returns what `module:name` refers to; raises ImportError or AttributeError."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def plain(name: str, value: Any) -> Any:
    """Returns an argument as the files of a run hold it, with Python's numbers for NumPy's, and
    with tuples for those of `as_json`.

    Raises:
      ConfigurationError: they cannot hold it.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping) and set(value) == {_TUPLE}:
        value = tuple(value[_TUPLE])
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain(f"{name}[{key!r}]", item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [plain(f"{name}[{i}]", item) for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ConfigurationError(
        f"{name} is {short(value)}, which the files of a run cannot hold; set it in a function of "
        "yours, and give its name (module:function)."
    )


def as_json(value: Any) -> Any:
    """Returns a plain argument as JSON, which has no tuples: {"tuple": [64, 64]} stands for one,
    since some constructors take no list."""
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [as_json(item) for item in value]
        return {_TUPLE: items} if isinstance(value, tuple) else items
    return value
