"""Tests the limits of the house style: files, functions, arguments, lines, assignments."""

import ast
import io
import tokenize

import pytest

from tests.docs.source import LIBRARY, docstrings, functions, place, python_files, syntax

_FILE_LINES = 300
_FUNCTION_LINES = 40
_ARGUMENTS = 10
_COLUMNS = 100
_MEAN_WIDTH = 40
_TEST_NAME = 60

_LONG_SIGNATURE = "sac_tf/tf_agents/agent.py SacAgent.__init__"
"""The signature of `tf_agents.agents.SacAgent`: only its body counts."""
_MANY_ARGUMENTS = {_LONG_SIGNATURE}

_NO_CODE = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
)


def _code_lines(source):
    """Returns lines that hold code, without indentation: no comment, docstring or empty line."""
    text = {
        number
        for node in docstrings(ast.parse(source))
        for number in range(node.lineno, node.end_lineno + 1)
    }
    code = {
        number
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in _NO_CODE
        for number in range(token.start[0], token.end[0] + 1)
    }
    lines = source.splitlines()
    return [lines[number - 1].strip() for number in sorted(code - text)]


def _length(function, *, body_only):
    first = function.lineno
    if body_only:
        first = function.body[1].lineno  # after the docstring
    return function.end_lineno - first + 1


def _unrelated_assignments(tree):
    """Returns line numbers of `a, b = x, y`, but not of swaps: the same names on both sides."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
        for target in node.targets
        if isinstance(target, ast.Tuple)
        and sorted(map(ast.unparse, target.elts)) != sorted(map(ast.unparse, node.value.elts))
    ]


def test_files_are_short():
    long = []
    for path in python_files(*LIBRARY):
        lines = len(path.read_text().splitlines())
        if lines > _FILE_LINES:
            long.append(f"{place(path)}: {lines} lines")
    assert not long, "\n".join(long)


def test_functions_are_short():
    long = []
    for path in python_files(*LIBRARY):
        for name, function in functions(syntax(path)):
            label = f"{place(path)} {name}"
            lines = _length(function, body_only=label == _LONG_SIGNATURE)
            if lines > _FUNCTION_LINES:
                long.append(f"{label}: {lines} lines")
    assert not long, "\n".join(long)


def test_functions_have_few_arguments():
    many = []
    for path in python_files(*LIBRARY):
        for name, function in functions(syntax(path)):
            given = function.args
            names = {one.arg for one in given.posonlyargs + given.args + given.kwonlyargs}
            number = len(names - {"self", "cls"})
            if number > _ARGUMENTS and f"{place(path)} {name}" not in _MANY_ARGUMENTS:
                many.append(f"{place(path)} {name}: {number} arguments")
    assert not many, "\n".join(many)


def test_lines_are_short():
    long = [
        place(path, number)
        for path in python_files(*LIBRARY, "tests", "benchmarks", "examples", "deploy")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(line) > _COLUMNS
    ]
    assert not long, "\n".join(long)


def test_code_lines_are_narrow_on_average():
    widths = [
        len(line) for path in python_files(*LIBRARY) for line in _code_lines(path.read_text())
    ]
    assert sum(widths) / len(widths) < _MEAN_WIDTH


def test_no_statement_assigns_unrelated_values():
    found = [
        place(path, line)
        for path in python_files(*LIBRARY)
        for line in _unrelated_assignments(syntax(path))
    ]
    assert not found, "\n".join(found)


def test_names_of_tests_are_short():
    long = [
        f"{place(path)} {name}"
        for path in python_files("tests")
        for name, _ in functions(syntax(path))
        if name.startswith("test_") and "." not in name and len(name) > _TEST_NAME
    ]
    assert not long, "\n".join(long)


@pytest.mark.parametrize(
    ("statement", "is_unrelated"),
    [
        ("a, b = x, y", True),
        ("self.a, self.b = a, b", True),
        ("a, b = b, a", False),
        ("a, b = f(x)", False),
        ("a, b = (g(x) for x in (1, 2))", False),
        ("a = x, y", False),
    ],
)
def test_unrelated_assignments_are_recognized(statement, is_unrelated):
    assert bool(_unrelated_assignments(ast.parse(statement))) == is_unrelated


def test_code_lines_exclude_comments_and_docstrings():
    source = '"""Text."""\n\n# Why.\ndef f():\n    """Text\n    more."""\n    return 1  # why\n'
    assert _code_lines(source) == ["def f():", "return 1  # why"]
