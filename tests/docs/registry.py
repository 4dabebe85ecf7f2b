"""Reads what gin may bind, after importing all modules of the library but those for TF-Agents."""

import ast
import functools
import importlib
import inspect
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import gin

from tests.docs import documents
from tests.docs.source import module_name, place, python_files, syntax

_NOT_GIN = {
    "benchmarks",
    "binaries",
    "examples",
    "gin",
    "gymnasium",
    "name",
    "sac_tf",
    "suite_gymnasium",
    "tests",
    "tf",
    "tf_agents",
}
"""What stands before a dot in a code span and is not a gin name."""

_FILE = re.compile(r".*\.(csv|flags|gin|json|log|md|mp4|png|py|sh|tflite|txt|yaml)")
_NAME = re.compile(r"((?:\w+/)*)([A-Za-z_]\w*)\.([a-z_]\w*)")
_BINDING = re.compile(rf"{_NAME.pattern}(?:\s*=\s*(.+))?")
_REFERENCE = re.compile(r"@(?:\w+/)*(\w+)(?:\(\))?")


@functools.cache
def import_library() -> None:
    """Imports all modules that register something."""
    for path in python_files("sac_tf"):
        if not place(path).startswith("sac_tf/tf_agents/"):
            importlib.import_module(module_name(path))


def configurable(name: str | Callable[..., Any]) -> Callable[..., Any] | None:
    """Returns what gin calls by a name, or instead of a function or class; None if nothing."""
    import_library()
    try:
        return gin.get_configurable(name)
    except (KeyError, ValueError):
        return None


def parameters(name: str) -> dict[str, Any]:
    """Returns {parameter: default} of what gin calls by a name; {} if there is no such thing."""
    found = configurable(name)
    if found is None:
        return {}
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(found).parameters.values()
    }


def names() -> Iterator[str]:
    """Yields the gin names of all functions and classes of the library, but those for TF-Agents."""
    for path in python_files("sac_tf"):
        for node in ast.walk(syntax(path)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                for decorator in map(ast.unparse, node.decorator_list):
                    match = re.fullmatch(r"gin\.configurable(?:\((?:'(\w+)')?.*\))?", decorator)
                    if match and not place(path).startswith("sac_tf/tf_agents/"):
                        yield match[1] or node.name


def is_setting(default: Any) -> bool:
    """Returns whether gin can write the default of a parameter: a value, or something with a gin
    name."""
    if default is inspect.Parameter.empty:
        return False
    is_known = not callable(default) or configurable(default) is not None
    return is_known or hasattr(default, "scope")


def is_binding(scope: str, name: str, parameter: str) -> bool:
    """Returns whether gin may bind this parameter; scopes are those of the three optimizers."""
    is_scope = scope in ("", "actor/", "critic/", "alpha/")
    given = parameters(name)
    return is_scope and (parameter in given or _takes_keywords(name))


def bindings() -> Iterator[tuple[str, str, str, str]]:
    """Yields (place, scope, name, parameter) of every binding in the documents."""
    for page in documents.PAGES:
        for text in _binding_texts(page):
            match = _BINDING.fullmatch(text.strip())
            if match and match[2] not in _NOT_GIN and not _FILE.fullmatch(text):
                yield (f"{place(page)}: {text}", *match.groups()[:3])


def references() -> Iterator[tuple[str, str]]:
    """Yields (place, name) of every @name in the code of the documents."""
    for page in documents.PAGES:
        code = [*documents.spans(page), *(text for _, text in documents.blocks(page))]
        for text in code:
            for name in _REFERENCE.findall(re.sub(r"\w+@\w+", "", text)):
                if name not in _NOT_GIN:
                    yield f"{place(page)}: {text.strip()}", name


def _binding_texts(page) -> Iterator[str]:
    """Yields code spans, and the values of flags that hold bindings."""
    yield from documents.spans(page)
    for _, text in documents.blocks(page):
        for line in text.splitlines():
            for word in _words(line):
                flag, _, value = word.partition("=")
                if flag == "--gin_bindings" or flag == "--sweep":
                    yield value
                elif flag == "--variant":
                    yield from value.partition(":")[2].split(";")
                elif flag == "GIN_BINDINGS":
                    yield from value.split()


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:  # not a command line
        return []


def _takes_keywords(name: str) -> bool:
    found = configurable(name)
    if found is None:
        return False
    kinds = {parameter.kind for parameter in inspect.signature(found).parameters.values()}
    return inspect.Parameter.VAR_KEYWORD in kinds
