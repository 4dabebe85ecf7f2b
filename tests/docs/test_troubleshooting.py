"""Tests that the messages in docs/troubleshooting.md are those that the programs print."""

import ast
import re

from tests.docs import documents
from tests.docs.source import LIBRARY, ROOT, python_files, syntax

_GAP = "\N{HORIZONTAL ELLIPSIS}"


def _printed():
    """Returns all strings of the source, with a gap for each formatted value."""
    texts = []
    for path in python_files(*LIBRARY):
        for node in ast.walk(syntax(path)):
            if isinstance(node, ast.JoinedStr):
                parts = [
                    part.value if isinstance(part, ast.Constant) else _GAP for part in node.values
                ]
                texts.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value.replace("%s", _GAP))
    return texts


def _documented():
    rows = documents.table_rows(ROOT / "docs/troubleshooting.md")
    return [cells[0].strip("`") for header, cells in rows if header == "message"]


def test_messages_are_in_the_source():
    printed = _printed()
    missing = []
    for message in _documented():
        pattern = re.compile(".*?".join(map(re.escape, message.split(_GAP))), re.DOTALL)
        if not any(map(pattern.search, printed)):
            missing.append(message)
    assert not missing, "\n".join(missing)


def test_page_has_messages():
    assert len(_documented()) > 40
