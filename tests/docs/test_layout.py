"""Tests that the layout in CONTRIBUTING.md is the tree."""

import re
import subprocess

from tests.docs.source import ROOT, python_files

_PAGE = (ROOT / "CONTRIBUTING.md").read_text()
_MOST_FILES_OF_ONE_UPDATE = 12


def _section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", _PAGE, re.MULTILINE | re.DOTALL)[1]


def _layout():
    """Returns {folder: the text about it}."""
    items = re.split(r"^- ", _section("Layout"), flags=re.MULTILINE)[1:]
    return dict(re.match(r"`([\w./]+)/`: (.*)", item, re.DOTALL).groups() for item in items)


def _rooms():
    """Returns {folder of the library: its modules}."""
    rooms = {}
    for path in python_files("sac_tf"):
        folder = path.parent.relative_to(ROOT).as_posix()
        rooms.setdefault(folder, set()).add(path.stem)
    return {folder: modules - {"__init__"} for folder, modules in rooms.items()}


def test_layout_names_every_room():
    named = {folder for folder in _layout() if folder.split("/")[0] == "sac_tf"}
    assert named == set(_rooms())


def test_layout_names_every_module_of_each_room():
    layout = _layout()
    differing = {
        room: modules ^ set(re.findall(r"`([a-z]\w*)`", layout[room]))
        for room, modules in _rooms().items()
    }
    assert {room: modules for room, modules in differing.items() if modules} == {}


def test_layout_names_every_folder_of_the_repository():
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files"], check=True, capture_output=True, text=True
    ).stdout
    folders = {line.split("/")[0] for line in listed.splitlines() if "/" in line}
    assert {folder.split("/")[0] for folder in _layout()} == folders


def test_one_update_needs_few_files():
    files = re.findall(
        r"^\d+\. `(.+)`$", _section("One update, from program to loss"), re.MULTILINE
    )
    assert 0 < len(files) <= _MOST_FILES_OF_ONE_UPDATE
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_glossary_has_about_25_words():
    assert 20 <= _section("Glossary").count("\n| ") - 1 <= 30
