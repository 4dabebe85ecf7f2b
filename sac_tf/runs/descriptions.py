"""Descriptions of settings: every setting of a run as a gin file, with its default and the first
sentence about it in the docstring of what it configures."""

import inspect
import itertools
import re
import textwrap
from collections.abc import Mapping

import gin

from sac_tf.pinned.gin_registry import default_of
from sac_tf.runs.configuration import Configuration

_COLUMNS = 100
_SECTION = re.compile(r"(Attributes|Args):.*")
_ENTRY = re.compile(r"  (\w+(?:, \w+)*): (.*)")
_END_OF_SENTENCE = re.compile(r"(?<=[.])\s+(?=[A-Z`@])")


def describe(configuration: Configuration, unset: Mapping[str, str]) -> str:
    """Returns the text of a gin file with every setting of a run.

    Args:
      configuration: of the run.
      unset: {setting without a value: where its value comes from}; they are shown as comments.
    """
    lines = [f"import {module}" for module in sorted(configuration.modules)]
    names = sorted(configuration.settings, key=_order)
    for _, group in itertools.groupby(names, key=lambda name: name.rpartition(".")[0]):
        lines.append("")
        for name in group:
            lines += _described(name, configuration.settings[name], unset.get(name))
    return "\n".join(lines)


def description_of(setting: str) -> str:
    """Returns the first sentence about "scope/name.parameter"; "" if its docstring has none."""
    name, _, parameter = setting.rpartition("/")[2].rpartition(".")
    configurable = gin.get_configurable(name)
    docstrings = [configurable.__doc__]
    if inspect.isclass(configurable):
        docstrings.append(configurable.__init__.__doc__)
    found: dict[str, str] = {}
    for section in ("Attributes", "Args"):  # a class may have both: its arguments are the settings
        for docstring in docstrings:
            found |= _entries(docstring or "", section)
    return _END_OF_SENTENCE.split(found.get(parameter, ""))[0]


def _described(name: str, value: str, comes_from: str | None) -> list[str]:
    text = textwrap.wrap(description_of(name), _COLUMNS - len("# "))
    comments = [f"# {line}" for line in text]
    if comes_from is not None:
        return [*comments, f"# {name} = ({comes_from})"]
    default = default_of(name)
    note = "" if default in (value, None) else f"  # default: {default}"
    return [*comments, f"{name} = {value}{note}"]


def _order(setting: str) -> tuple[bool, str, str]:
    """Sorts the settings of `train` first, and those of a scope next to those without it."""
    scoped, _, parameter = setting.rpartition(".")
    scope, _, name = scoped.rpartition("/")
    return name != "train", f"{name}/{scope}", parameter


def _entries(docstring: str, wanted: str) -> dict[str, str]:
    """Returns {name: text} of a section of a docstring."""
    found: dict[str, str] = {}
    section = ""
    names: list[str] = []
    for line in inspect.cleandoc(docstring).splitlines():
        heading = _SECTION.fullmatch(line)
        entry = _ENTRY.match(line)
        if heading:
            section = heading[1]
        elif line and not line.startswith(" "):
            section = ""
        elif section == wanted and entry:
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        elif section == wanted and line:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found
