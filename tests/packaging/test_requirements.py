"""Pins: requirements.txt, constraints.txt and the ranges of the package agree."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.10", "3.11")


def _requirements(lines):
    """Returns the requirements in lines of a requirements file."""
    bare = [line.partition("#")[0].strip() for line in lines]
    return [Requirement(line) for line in bare if line and not line.startswith("-r ")]


def _pins(python):
    """Returns {package: version} of requirements.txt and of the file that it includes."""
    lines = [
        line
        for name in ("requirements.txt", "requirements-dev.txt")
        for line in (ROOT / name).read_text().splitlines()
    ]
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in _on(python, _requirements(lines))
    }


def _on(python, requirements):
    """Returns the requirements that hold for a version of Python."""
    return [
        one
        for one in requirements
        if one.marker is None or one.marker.evaluate({"python_version": python})
    ]


def _ranges():
    """Returns the requirements of the package, extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return _requirements([*project["dependencies"], *extras])


def _refused(requirements, python):
    """Returns the requirements that the tested version of their package does not meet."""
    pins = _pins(python)
    return [
        f"{one}: {pins.get(canonicalize_name(one.name))}"
        for one in _on(python, requirements)
        if not one.specifier.contains(pins.get(canonicalize_name(one.name), ""))
    ]


def _constraints():
    return _requirements((ROOT / "constraints.txt").read_text().splitlines())


@pytest.mark.parametrize("python", PYTHONS)
def test_constraints_hold_for_the_tested_versions(python):
    assert _refused(_constraints(), python) == []


@pytest.mark.parametrize("python", PYTHONS)
def test_ranges_of_the_package_hold_for_the_tested_versions(python):
    assert _refused(_ranges(), python) == []


def test_every_tested_version_is_exact():
    for python in PYTHONS:
        assert all(version[0].isdigit() for version in _pins(python).values())
        assert len(_pins(python)) > 90


def test_mujoco_is_the_same_for_all_versions_of_python():
    assert {_pins(python)["mujoco"] for python in PYTHONS} == {"3.8.1"}


def test_requirements_include_the_tools_of_the_tests():
    """`make test` needs requirements.txt only; a package that users install has no test tools."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert "-r requirements-dev.txt" in lines
    users = {canonicalize_name(one.name) for one in [*_requirements(lines), *_ranges()]}
    assert not users & {"pytest", "ruff", "mypy", "honcho"}
