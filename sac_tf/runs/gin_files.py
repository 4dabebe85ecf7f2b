"""gin files of a run: the order in which they are read, and bindings that contradict each other."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import gin
from gin import config_parser

from sac_tf.errors import ConfigurationError

_BASE_FILE = "sac.gin"
_TASKS_FOLDER = "tasks"


def read(files: Sequence[str], bindings: Sequence[str]) -> None:
    """Gives gin files and bindings to gin: sac.gin first, then the files in a folder `tasks`, then
    the others in the order given, and at last the bindings.

    Raises:
      ConfigurationError: a file or a binding that gin cannot use, with gin's own reason; or two
        files that bind one setting to different values, which no binding decides.
    """
    for file in files:
        if not Path(file).is_file():
            raise ConfigurationError(f"--gin_file={file} does not exist.")
    ordered = sorted(files, key=_rank)
    try:
        gin.parse_config_files_and_bindings(ordered, list(bindings))
    except Exception as error:  # gin raises many kinds, and all mean a wrong file or binding
        reason = str(error).strip().splitlines()[0]
        raise ConfigurationError(f"gin cannot use this configuration: {reason}") from error
    _refuse_contradictions(ordered, bindings)


def bindings_in(file: str) -> dict[str, str]:
    """Returns {"scope/name.parameter": value as gin text} of a file and of what it includes; a file
    may override what it includes."""
    return _bindings(Path(file).read_text())


def included_files(file: str) -> list[str]:
    """Returns the files that `file` includes itself."""
    return [
        statement.filename
        for statement in _parse(Path(file).read_text())
        if isinstance(statement, config_parser.IncludeStatement)
    ]


class _AsText(config_parser.ParserDelegate):
    """Keeps references and macros as text."""

    def configurable_reference(self, scoped_name: str, evaluate: bool) -> "_Text":
        return _Text(f"@{scoped_name}()" if evaluate else f"@{scoped_name}")

    def macro(self, macro_name: str) -> "_Text":
        return _Text(f"%{macro_name}")


class _Text(str):
    """A value that is printed without quotes."""

    def __repr__(self) -> str:
        return str(self)


def _parse(text: str) -> config_parser.ConfigParser:
    return config_parser.ConfigParser(text, _AsText())


def _bindings(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for statement in _parse(text):
        if isinstance(statement, config_parser.IncludeStatement):
            found |= bindings_in(statement.filename)
        elif isinstance(statement, config_parser.BindingStatement):
            name = f"{statement.selector}.{statement.arg_name}".removesuffix(".")
            found[f"{statement.scope}/{name}".removeprefix("/")] = repr(statement.value)
    return found


def _rank(file: str) -> int:
    path = Path(file)
    if path.name == _BASE_FILE:
        return 0
    return 1 if path.parent.name == _TASKS_FOLDER else 2


def _refuse_contradictions(files: Sequence[str], bindings: Sequence[str]) -> None:
    decided = _bindings("\n".join(bindings))
    contents = [(file, bindings_in(file)) for file in files]
    for (first, here), (second, there) in itertools.combinations(contents, 2):
        if _rank(first) != _rank(second):
            continue
        names = _contradiction(here, there, decided)
        if names is not None:
            mine, theirs = names
            raise ConfigurationError(
                f"{first} sets {mine} = {here[mine]} and {second} sets {theirs} = {there[theirs]}; "
                f"leave out one of the files, or decide with --gin_bindings='{theirs} = ...'."
            )


def _contradiction(
    here: Mapping[str, str], there: Mapping[str, str], decided: Mapping[str, str]
) -> tuple[str, str] | None:
    """Returns the first setting that two files bind to different values, by its name in each."""
    for mine, theirs in itertools.product(sorted(here), sorted(there)):
        is_same = mine == theirs or mine.endswith(f"/{theirs}") or theirs.endswith(f"/{mine}")
        if is_same and here[mine] != there[theirs] and not {mine, theirs} & decided.keys():
            return mine, theirs
    return None
