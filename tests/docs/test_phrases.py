"""Tests that a list of phrases stays out of documents, docstrings, comments, messages and gin
files."""

import ast
import io
import re
import tokenize

import pytest

from tests.docs.documents import PAGES
from tests.docs.source import LIBRARY, ROOT, docstrings, place, python_files, syntax

_BANNED = {
    r"(go|goes|going|went|gone) on(?! a | the )": "resume, continue",
    r"(hear|hears|heard|hearing)": "receive, a heartbeat arrives",
    r"in the place of": "instead of",
    r"(whoever|whomever)": "the field's noun",
    r"so (many|long)(?! as\b)": "a number, a duration",
    r"likewise": "also, or repeat the word",
    r"if need be": "if necessary",
    r"beside": "next to, in addition to, compared with",
    r"learnt": "learned",
    r"(tells|told) (it|him|them|us|whom|whose)": "pass, send",
    r"but for": "except",
    r"on film": "video",
    r"leaves? home": "export",
    r"\w*(initial|maxim|minim|normal|optim|parameter|parametr|priorit|regular|serial|summar)"
    r"is(e|ed|er|es|ing|ation|ations)": "-iz-",
    r"(behaviour|colour|favour|neighbour)s?": "-or",
}
"""{pattern between word boundaries: what to write instead}."""


def _prose(path, *, with_messages):
    """Returns [(line, text)] of comments and docstrings, and of all other strings if asked for."""
    tree = syntax(path)
    found = [(node.lineno, node.value) for node in docstrings(tree)]
    if with_messages:
        found += [
            (node.lineno, node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return found + [(t.start[0], t.string) for t in tokens if t.type == tokenize.COMMENT]


def _texts():
    """Yields (path, line, text) of everything that is prose."""
    for path in python_files(*LIBRARY, "tests", "benchmarks", "examples", "deploy"):
        if not place(path).startswith("tests/docs/"):
            is_program = place(path).startswith(LIBRARY)
            for line, text in _prose(path, with_messages=is_program):
                yield path, line, text
    gin_files = (ROOT / "gin_configs").rglob("*.gin")
    deploy = [path for path in (ROOT / "deploy").rglob("*") if path.suffix in {".yaml", ".sh"}]
    for path in [*PAGES, *gin_files, *deploy, ROOT / "Makefile"]:
        yield path, 1, path.read_text()


@pytest.fixture(scope="module")
def texts():
    return list(_texts())


@pytest.mark.parametrize("pattern", _BANNED)
def test_phrase_stays_out(pattern, texts):
    phrase = re.compile(rf"\b(?:{pattern})\b".replace(" ", r"\s+(?:# )?"), re.IGNORECASE)
    found = {
        f"{place(path, line + text[: match.start()].count(chr(10)))}: {match[0]!r}"
        for path, line, text in texts
        for match in phrase.finditer(text)
    }
    assert not found, "\n".join([f"write instead: {_BANNED[pattern]}", *sorted(found)])
