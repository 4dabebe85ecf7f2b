"""Tests the layers of CONTRIBUTING.md: no import leads up, and there is no cycle."""

import re

from tests.docs.source import LIBRARY, ROOT, imported_modules, module_name, place, python_files

_LAYERS = (
    {"pinned"},
    {"environments", "networks", "replay"},
    {"agents"},
    {"serving", "runs"},
    {"training"},
    {"distributed", "sweeps", "tf_agents"},
    {"binaries"},
)
"""Rooms from low to high; modules of sac_tf itself are in the lowest layer."""


def _room(module):
    """Returns the room of a module; a module of sac_tf itself is its own room."""
    parts = module.split(".")
    if parts[0] == "sac_tf" and len(parts) > 1:
        return parts[1]
    return parts[0]


def _layer(module):
    layers = [number for number, rooms in enumerate(_LAYERS) if _room(module) in rooms]
    return layers[0] if layers else 0


def _imports():
    """Returns {module: modules of the library that it imports}."""
    files = {module_name(path): path for path in python_files(*LIBRARY)}
    return {
        module: {name for name in imported_modules(path) if name in files} - {module}
        for module, path in files.items()
    }


def _cycle(edges):
    """Returns a cycle of a graph {node: neighbors} as a list of nodes, or []."""
    finished = set()

    def visit(node, path):
        if node in path:
            return [*path[path.index(node) :], node]
        if node in finished:
            return []
        for neighbor in sorted(edges.get(node, ())):
            cycle = visit(neighbor, [*path, node])
            if cycle:
                return cycle
        finished.add(node)
        return []

    return next(filter(None, (visit(node, []) for node in sorted(edges))), [])


def _edges_between_rooms():
    edges = {}
    for module, imported in _imports().items():
        edges.setdefault(_room(module), set()).update(map(_room, imported))
    return {room: rooms - {room} for room, rooms in edges.items()}


def test_every_room_has_a_layer():
    folders = {path.name for path in (ROOT / "sac_tf").iterdir() if (path / "__init__.py").exists()}
    assert set.union(*_LAYERS) == folders | {"binaries"}


def test_layers_are_those_of_contributing():
    section = (ROOT / "CONTRIBUTING.md").read_text().split("## Layers\n")[1].split("\n## ")[0]
    listed = [set(re.findall(r"`(\w+)`", line)) for line in re.findall(r"^\d+\. .*", section, re.M)]
    assert listed == list(_LAYERS)


def test_no_import_leads_up():
    up = [
        f"{module} -> {name}"
        for module, imported in _imports().items()
        for name in sorted(imported)
        if _layer(name) > _layer(module)
    ]
    assert not up, "\n".join(up)


def test_modules_import_without_a_cycle():
    assert _cycle(_imports()) == []


def test_rooms_import_without_a_cycle():
    assert _cycle(_edges_between_rooms()) == []


def test_only_one_room_imports_tf_agents():
    found = [
        place(path)
        for path in python_files(*LIBRARY)
        if any(name.split(".")[0] == "tf_agents" for name in imported_modules(path))
    ]
    assert [name for name in found if not name.startswith("sac_tf/tf_agents/")] == []


def test_only_agents_know_soft_actor_critic():
    """What trains, collects or serves takes an agent or a policy."""
    algorithm = "sac_tf.agents.sac."
    found = [
        f"{module} -> {name}"
        for module, imported in _imports().items()
        for name in sorted(imported)
        if name.startswith(algorithm) and _room(module) not in ("agents", "tf_agents")
    ]
    assert not found, "\n".join(found)


def test_no_test_imports_from_another():
    """Bazel runs each file of tests alone; it has helpers, but no other tests."""
    found = [
        f"{place(path)} imports {name}"
        for path in python_files("tests")
        for name in sorted(imported_modules(path))
        if ".test_" in name
    ]
    assert not found, "\n".join(found)


def test_cycles_are_recognized():
    assert _cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert _cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
