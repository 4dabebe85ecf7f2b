"""gin files of a run: where they are found, the order in which they are parsed, and contradictory
bindings."""

import contextlib
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import gin
from gin import config_parser

import sac_tf
from sac_tf.errors import ConfigurationError
from sac_tf.pinned.gin_bindings import forget_settings_of_replaced

_BASE_FILE = "sac.gin"
_AGENT = "train.agent"
"""The only setting that one file cannot replace in another: numbers of the file are for its
agent."""
_TASKS_FOLDER = "tasks"
_FOLDER = "gin_configs"
_IMPORT = re.compile(r"\s*(import|from)\s")
_PACKAGE = Path(sac_tf.__file__).absolute().parent

SHIPPED = next(
    (folder for folder in (_PACKAGE / _FOLDER, _PACKAGE.parent / _FOLDER) if folder.is_dir()),
    _PACKAGE / _FOLDER,
)
"""The folder of the shipped gin files: in the installed package, or next to it in a checkout."""


def read(files: Sequence[str], bindings: Sequence[str]) -> None:
    """Parses gin files and bindings: sac.gin first, then the files in a folder `tasks`, then the
    others in the order given, and the bindings last.

    Each file is looked up in the working directory and then among the shipped files, where
    `gin_configs/` may be left out. A file that another one includes is also looked up in the folder
    of that one, before the shipped files. Where `bindings` replace the only value that refers to a
    configurable, what the files bind of it is left out.

    Raises:
      ConfigurationError: a file is missing; gin cannot use a file or a binding, with its reason; or
        two tasks or two others bind one setting to different values, or a task and another name two
        agents, and no binding decides.
    """
    check(files, bindings)
    with _gin_errors():
        for file in _ordered(files):
            _parse(file.path, file.path.read_text())
        with forget_settings_of_replaced():
            _parse(None, "\n".join(bindings))
        gin.finalize()


def check(files: Sequence[str], bindings: Sequence[str]) -> set[str]:
    """Finds the mistakes in gin files and bindings that show without importing what they configure.

    Returns: names of the settings that are bound, as "scope/name.parameter".

    Raises:
      ConfigurationError: as `read`, except for names and values that gin does not know.
    """
    with _gin_errors():
        contents = [(file, _bindings(file.path, file.path.read_text())) for file in _ordered(files)]
        decided = _bindings(None, "\n".join(bindings))
    _refuse_contradictions(contents, decided)
    return set(decided).union(*(bound for _, bound in contents))


def bindings_in(file: str) -> dict[str, str]:
    """Returns {"scope/name.parameter": value as gin text} of a file and of the files that it
    includes, whose bindings it may override."""
    path = _find_file(file)
    return _bindings(path, path.read_text())


def texts(files: Sequence[str]) -> list[str]:
    """Returns the texts of gin files and of all files that they include, each once."""
    found: dict[Path, str] = {}
    waiting = [_find_file(file) for file in reversed(files)]
    with _gin_errors():
        while waiting:
            path = waiting.pop()
            if path not in found:
                found[path] = path.read_text()
                waiting += [included for _, included in _includes(path, found[path])]
    return list(found.values())


class _File(NamedTuple):
    """A gin file of a run.

    Attributes:
      given: its name as the user wrote it, for messages.
      path: where it was found.
      rank: 0 for the file with the defaults, 1 for tasks, 2 for the others.
    """

    given: str
    path: Path
    rank: int


def _ordered(files: Sequence[str]) -> list[_File]:
    found = [(file, _find_file(file)) for file in files]
    return sorted((_File(file, path, _rank(path)) for file, path in found), key=lambda f: f.rank)


def _rank(path: Path) -> int:
    if path.name == _BASE_FILE:
        return 0
    return 1 if path.parent.name == _TASKS_FOLDER else 2


def _find_file(file: str) -> Path:
    path = _find(file, [Path.cwd(), *_shipped_folders(file)])
    if path is not None:
        return path
    if Path(file).is_absolute() or file.startswith("~"):
        raise ConfigurationError(f"--gin_file={file} does not exist.")
    raise ConfigurationError(
        f"--gin_file={file} does not exist, neither in the working directory nor among the shipped "
        f"files, which are in {SHIPPED}."
    )


def _find_included(file: str, including: Path | None) -> Path:
    """Returns the path of a file that another one, or a binding, includes.

    A shipped file includes shipped files, whatever is in the working directory.
    """
    folders = [Path.cwd()]
    if including is not None:
        folders.append(including.parent)
    shipped = _shipped_folders(file)
    is_shipped = including is not None and including.is_relative_to(SHIPPED)
    path = _find(file, [*shipped, *folders] if is_shipped else [*folders, *shipped])
    if path is None:
        raise ConfigurationError(
            f"{including or '--gin_bindings'} includes {file}, which is neither in "
            f"{' nor in '.join(map(str, dict.fromkeys([*folders, SHIPPED])))}."
        )
    return path


def _shipped_folders(file: str) -> list[Path]:
    """Returns the folders in which a shipped file may have this name."""
    starts_with_folder = Path(file).parts[:1] == (_FOLDER,)
    return [SHIPPED.parent] if starts_with_folder else [SHIPPED]


def _find(file: str, folders: Sequence[Path]) -> Path | None:
    """Returns the first path that is a file; an absolute name ignores the folders."""
    with contextlib.suppress(RuntimeError):  # no home directory
        file = str(Path(file).expanduser())
    paths = [folder / file for folder in folders]
    return next((path for path in paths if path.is_file()), None)


class _Text(str):
    """A value that is printed without quotes."""

    def __repr__(self) -> str:
        return str(self)


class _AsText(config_parser.ParserDelegate):
    """Keeps references and macros as text."""

    def configurable_reference(self, scoped_name: str, evaluate: bool) -> _Text:
        return _Text(f"@{scoped_name}()" if evaluate else f"@{scoped_name}")

    def macro(self, macro_name: str) -> _Text:
        return _Text(f"%{macro_name}")


class _Source(io.StringIO):
    """The text of a gin file, whose name gin writes into its errors."""

    def __init__(self, text: str, path: Path | None):
        super().__init__(text)
        if path is not None:
            self.name = str(path)


def _bindings(path: Path | None, text: str, including: tuple[Path, ...] = ()) -> dict[str, str]:
    """Returns the bindings in the text of a file, or of --gin_bindings, and in what it includes.

    Args:
      path: of the file; None for --gin_bindings.
      text: its content.
      including: the files that lead to it by their includes.
    """
    if path is not None and path in including:
        chain = " includes ".join(map(str, [*including[including.index(path) :], path]))
        raise ConfigurationError(f"gin files include each other in a circle: {chain}.")
    found: dict[str, str] = {}
    for statement in config_parser.ConfigParser(_Source(text, path), _AsText()):
        if isinstance(statement, config_parser.IncludeStatement):
            included = _find_included(statement.filename, path)
            outer = including if path is None else (*including, path)
            found |= _bindings(included, included.read_text(), outer)
        elif isinstance(statement, config_parser.BindingStatement):
            name = f"{statement.selector}.{statement.arg_name}".removesuffix(".")
            found[f"{statement.scope}/{name}".removeprefix("/")] = repr(statement.value)
    return found


def _includes(path: Path | None, text: str) -> Iterator[tuple[int, Path]]:
    """Yields (line number, file found) of the includes in a text."""
    for statement in config_parser.ConfigParser(_Source(text, path), _AsText()):
        if isinstance(statement, config_parser.IncludeStatement):
            yield statement.location.line_num, _find_included(statement.filename, path)


def _parse(path: Path | None, text: str) -> None:
    """Passes a text to gin up to its first include, then the included file, and so on: gin itself
    would look for an included file in the working directory only.

    Lines keep their numbers for gin's errors. Imports are repeated, because they hold for the rest
    of the file.
    """
    lines = text.split("\n")
    first = 0
    for number, included in [*_includes(path, text), (len(lines) + 1, None)]:
        part = [
            line if first <= index or _IMPORT.match(line) else ""
            for index, line in enumerate(lines[: number - 1])
        ]
        gin.parse_config(_Source("\n".join(part), path))
        if included is not None:
            _parse(included, included.read_text())
        first = number


@contextlib.contextmanager
def _gin_errors() -> Iterator[None]:
    """Raises the errors of gin as one sentence."""
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:  # gin raises many kinds, and all mean a wrong file or binding
        lines = str(error).strip().splitlines()
        reason = lines[0] if lines else type(error).__name__
        raise ConfigurationError(f"gin cannot use this configuration: {reason}") from error


def _refuse_contradictions(
    contents: Sequence[tuple[_File, dict[str, str]]], decided: dict[str, str]
) -> None:
    for (first, here), (second, there) in itertools.combinations(contents, 2):
        shared = itertools.product(sorted(here), sorted(there))
        for mine, theirs in sorted(shared, key=lambda names: _AGENT not in names):
            name = _shared_name(mine, theirs)
            if name is None or name in decided or here[mine] == there[theirs]:
                continue
            if first.rank != second.rank and name != _AGENT:
                continue
            choice = "" if name == _AGENT else f", or decide with --gin_bindings='{name} = ...'"
            raise ConfigurationError(
                f"{first.given} sets {mine} = {here[mine]} and {second.given} sets {theirs} = "
                f"{there[theirs]}; leave out one of the files{choice}."
            )


def _shared_name(first: str, second: str) -> str | None:
    """Returns the name of the setting that two bindings both determine, or None. A binding without
    a scope holds in scopes too: `adam.learning_rate` and `actor/adam.learning_rate` share the
    latter."""
    shorter, longer = sorted((first, second), key=len)
    return longer if longer == shorter or longer.endswith(f"/{shorter}") else None
