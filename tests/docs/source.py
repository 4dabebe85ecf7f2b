"""Reads the source tree: modules, syntax trees and imports."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ("sac_tf", "binaries")


def python_files(*folders: str) -> list[Path]:
    """Returns the Python files below folders of the repository, sorted."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@functools.cache
def syntax(path: Path) -> ast.Module:
    """Returns the syntax tree of a file."""
    return ast.parse(path.read_text())


def place(path: Path, line: int | None = None) -> str:
    """Returns the path from the root, with a line, as editors understand it."""
    name = path.relative_to(ROOT).as_posix()
    return name if line is None else f"{name}:{line}"


def module_name(path: Path) -> str:
    """Returns "sac_tf.replay.tables" for a file; a package has the name of its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yields strings that are statements: docstrings, and those below attributes and constants."""
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yields ("Class.function", definition), nested ones included."""

    def visit(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        for child in ast.iter_child_nodes(node):
            name = prefix
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                name = f"{prefix}{child.name}."
            if isinstance(child, ast.FunctionDef):
                yield name[:-1], child
            yield from visit(child, name)

    return visit(tree, "")


def imported_modules(path: Path) -> set[str]:
    """Returns full names of all modules that a file imports, also inside functions.

    Imports under TYPE_CHECKING do not count. `from package import module` is the module.
    """
    found: set[str] = set()
    waiting: list[ast.AST] = [syntax(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                is_module = (ROOT / full.replace(".", "/")).with_suffix(".py").is_file()
                is_package = (ROOT / full.replace(".", "/") / "__init__.py").is_file()
                found.add(full if is_module or is_package else node.module)
    return found
