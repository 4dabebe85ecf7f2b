"""Tests that private interfaces of pinned libraries are used in sac_tf/pinned only."""

import re

import pytest

from tests.docs.source import LIBRARY, place, python_files

_PRIVATE = (
    r"\btf\.raw_ops\b",
    r"__internal__",
    r"convert_to_constants",
    r"_resource_apply",
    r"checkpoint_pb2",
    r"\bgin\.config\._|\bconfig\._[A-Za-z]",
    r"reverb\.pybind",
)


@pytest.mark.parametrize("pattern", _PRIVATE)
def test_private_interface_is_in_pinned_only(pattern):
    found = [
        place(path, number)
        for path in python_files(*LIBRARY)
        if not place(path).startswith("sac_tf/pinned/")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(pattern, line)
    ]
    assert not found, "\n".join(found)
