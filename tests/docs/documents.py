"""Reads the Markdown documents: code spans, code blocks, links, headings and commands."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.docs.source import ROOT

PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        ROOT / "benchmarks/results/README.md",
        *(ROOT / "docs").glob("*.md"),
    ]
)
_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_COMMAND = re.compile(r"python -m ((?:binaries|benchmarks|examples)\.\w+)([^`\n]*)")


class Command(NamedTuple):
    """`python -m module arguments` of a page."""

    page: Path
    module: str
    arguments: list[str]


def text_without_blocks(page: Path) -> str:
    """Returns a page without its code blocks."""
    return _BLOCK.sub("", page.read_text())


def spans(page: Path) -> list[str]:
    """Returns the code spans of a page."""
    return _SPAN.findall(text_without_blocks(page))


def blocks(page: Path) -> list[tuple[str, str]]:
    """Returns (language, text) of the code blocks of a page; broken lines are joined."""
    return [(language, _joined(text)) for language, text in _BLOCK.findall(page.read_text())]


def links(page: Path) -> list[str]:
    """Returns the targets of links and pictures that do not lead to another host."""
    targets = _LINK.findall(text_without_blocks(page))
    return [target for target in targets if not target.startswith(("http:", "https:"))]


def anchors(page: Path) -> set[str]:
    """Returns the anchors of the headings of a page, as GitHub names them."""
    headings = _HEADING.findall(text_without_blocks(page))
    bare = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in bare}


def commands() -> Iterator[Command]:
    """Yields the commands of all pages that run a module of this repository."""
    for page in PAGES:
        for module, rest in _COMMAND.findall(_joined(page.read_text())):
            yield Command(page, module, shlex.split(rest, comments=True))


def table_rows(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yields (first cell of the header, cells) of every row of the tables of a page."""
    header = None
    for line in page.read_text().splitlines():
        if not line.startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if header is None:
            header = cells[0]
        elif set(line) - set("|- "):
            yield header, cells


def _joined(text: str) -> str:
    return re.sub(r"\\\n\s*", "", text)
