"""Tests that the settings in the documents exist, with their defaults."""

import ast
import re

import gin

from sac_tf.runs.descriptions import description_of
from tests.docs import documents, registry
from tests.docs.source import ROOT

_PAGE = ROOT / "docs/configuration.md"


def _documented():
    """Returns {binding: default as written} of the configuration reference."""
    rows = [cells for header, cells in documents.table_rows(_PAGE) if header == "binding"]
    return {cells[0].strip("`"): cells[1] for cells in rows}


def _value(text):
    """Returns the value of a default as written; a @reference is what it refers to."""
    text = text.strip("`")
    if text == "required":
        return gin.REQUIRED
    if text.startswith("@"):
        return registry.configurable(text[1:])
    return ast.literal_eval(text)


def _is_same(text, actual):
    """Returns whether a default as written is the one of a signature."""
    if hasattr(actual, "scope"):
        return text == f"`@{actual.scope}/{actual.configurable.__name__}`"
    if callable(actual):
        return _value(text) is registry.configurable(actual)
    return _value(text) == actual


def test_bindings_exist():
    wrong = [where for where, *binding in registry.bindings() if not registry.is_binding(*binding)]
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_references_exist():
    wrong = [where for where, name in registry.references() if registry.configurable(name) is None]
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_documents_have_bindings():
    assert len(list(registry.bindings())) > 100


def test_defaults_are_those_of_the_signatures():
    wrong = []
    for binding, default in _documented().items():
        name, _, parameter = binding.rpartition(".")
        actual = registry.parameters(name).get(parameter)
        if not _is_same(default, actual):
            wrong.append(f"{binding}: {default}, and in the code {actual!r}")
    assert not wrong, "\n".join(wrong)


def test_every_setting_is_in_the_reference():
    settings = {
        f"{name}.{parameter}"
        for name in registry.names()
        for parameter, default in registry.parameters(name).items()
        if registry.is_setting(default)
    }
    assert len(settings) > 100
    missing = settings - set(_documented())
    assert not missing, "\n".join(sorted(missing))


def test_every_setting_has_a_description():
    """In its docstring, for `--print_config`."""
    registry.import_library()
    assert [name for name in _documented() if not description_of(name)] == []


def test_every_variant_file_is_in_the_table():
    files = {path.name for path in (ROOT / "gin_configs").glob("*.gin")}
    text = (ROOT / "docs/variants.md").read_text()
    assert {file for file in files if f"`{file}`" not in text} == set()


def test_every_number_in_sac_gin_is_in_the_reference():
    text = (ROOT / "gin_configs/sac.gin").read_text()
    names = re.findall(r"^([A-Za-z_]\w*\.\w+) = [^@%]", text, re.MULTILINE)
    assert set(names) - set(_documented()) == set()
