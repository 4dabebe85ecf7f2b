"""gin files of a run: the order in which they are parsed, and contradictory bindings."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import gin
from gin import config_parser

from sac_tf.errors import ConfigurationError

_BASE_FILE = "sac.gin"
_TASKS_FOLDER = "tasks"


def read(files: Sequence[str], bindings: Sequence[str]) -> None:
    """Parses gin files and bindings: sac.gin first, then the files in a folder `tasks`, then the
    others in the order given, and the bindings last.

    Raises:
      ConfigurationError: a file is missing; gin cannot use a file or a binding, with its reason; or
        two files bind one setting to different values and no binding decides.
    """
    for file in files:
        if not Path(file).is_file():
            raise ConfigurationError(f"--gin_file={file} does not exist.")
    ordered = sorted(files, key=_rank)
    try:
        gin.parse_config_files_and_bindings(ordered, list(bindings))
    except Exception as error:  # gin raises many kinds, and all mean a wrong file or binding
        lines = str(error).strip().splitlines()
        reason = lines[0] if lines else type(error).__name__
        raise ConfigurationError(f"gin cannot use this configuration: {reason}") from error
    _refuse_contradictions(ordered, bindings)


def bindings_in(file: str) -> dict[str, str]:
    """Returns {"scope/name.parameter": value as gin text} of a file and of the files that it
    includes, whose bindings it may override."""
    return _bindings(Path(file).read_text())


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


def _bindings(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for statement in config_parser.ConfigParser(text, _AsText()):
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
        for mine, theirs in itertools.product(sorted(here), sorted(there)):
            name = _shared_name(mine, theirs)
            if name is None or name in decided or here[mine] == there[theirs]:
                continue
            raise ConfigurationError(
                f"{first} sets {mine} = {here[mine]} and {second} sets {theirs} = {there[theirs]}; "
                f"leave out one of the files, or decide with --gin_bindings='{name} = ...'."
            )


def _shared_name(first: str, second: str) -> str | None:
    """Returns the name of the setting that two bindings both determine, or None. A binding without
    a scope holds in scopes too: `adam.learning_rate` and `actor/adam.learning_rate` share the
    latter."""
    shorter, longer = sorted((first, second), key=len)
    return longer if longer == shorter or longer.endswith(f"/{shorter}") else None
