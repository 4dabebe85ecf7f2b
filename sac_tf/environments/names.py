"""Names of tasks and wrappers, as the files of a run hold them."""

import importlib
from typing import Any


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
