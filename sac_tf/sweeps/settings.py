"""Settings of a sweep: combinations of hyperparameter values, or named variants."""

import itertools
import re
import tokenize
from collections.abc import Sequence
from typing import Any, NamedTuple

from gin import config_parser

from sac_tf.errors import ConfigurationError

SEED = "train.seed"
_LONGEST = 255
"""Bytes of the name of a folder."""


class Setting(NamedTuple):
    """A row of the table: a name, and additions to the configuration that all rows share."""

    name: str
    gin_files: tuple[str, ...]
    gin_bindings: tuple[str, ...]

    @property
    def folder(self) -> str:
        """A folder name that needs no quotes in a shell."""
        bare = re.sub(r"[()\[\]{}'\"]", "", self.name).replace(", ", ",")
        return re.sub(r"[^\w.,=+@-]+", "_", bare).strip("._")


def grid(sweeps: Sequence[str]) -> list[Setting]:
    """Returns every combination of values, the last parameter varying fastest.

    Args:
      sweeps: texts of the form `name.parameter=[value, value]`; a value is a gin value: a literal,
        @reference or %macro.

    Raises:
      ConfigurationError: an invalid sweep, or duplicate names.
    """
    axes = [_parse_binding("sweep", text) for text in sweeps]
    for (key, values), text in zip(axes, sweeps, strict=True):
        if not isinstance(values, list | tuple) or not values:
            raise ConfigurationError(
                f"--sweep={text} must give a list of values, {key}=[1, 2] for example."
            )
    keys = [key for key, _ in axes]
    if len(set(keys)) < len(keys):
        raise ConfigurationError(f"--sweep names a parameter twice: {', '.join(keys)}.")
    parameters = [key.rpartition(".")[2] for key in keys]
    labels = [
        parameter if parameters.count(parameter) == 1 else key
        for parameter, key in zip(parameters, keys, strict=True)
    ]
    combinations = itertools.product(*(values for _, values in axes))
    return _distinct([_combination(keys, labels, values) for values in combinations])


def variants(texts: Sequence[str]) -> list[Setting]:
    """Returns a setting for each text, in the same order.

    Args:
      texts: texts of the form `name: item; item`; an item is a gin binding, or a gin file that is
        read after the shared files. A variant without items is the shared configuration itself.

    Raises:
      ConfigurationError: an invalid variant, or duplicate names.
    """
    return _distinct([_variant(text) for text in texts])


def _combination(keys: Sequence[str], labels: Sequence[str], values: Sequence[Any]) -> Setting:
    name = ", ".join(f"{label}={value!r}" for label, value in zip(labels, values, strict=True))
    bindings = tuple(f"{key} = {value!r}" for key, value in zip(keys, values, strict=True))
    return Setting(name, gin_files=(), gin_bindings=bindings)


def _variant(text: str) -> Setting:
    name, colon, rest = text.partition(":")
    items = [item.strip() for item in rest.split(";") if item.strip()]
    if not colon or "=" in name:
        raise ConfigurationError(
            f"--variant={text} must be a name, a colon and bindings: 'one critic: a.b=1; c.d=2'."
        )
    files = tuple(item for item in items if item.endswith(".gin"))
    parsed = [_parse_binding("variant", item) for item in items if not item.endswith(".gin")]
    bindings = tuple(f"{key} = {value!r}" for key, value in parsed)
    return Setting(name.strip(), gin_files=files, gin_bindings=bindings)


def _distinct(settings: list[Setting]) -> list[Setting]:
    """Returns `settings`; raises ConfigurationError if two of them share a folder, or one has none
    or a name that is too long."""
    folders = [setting.folder for setting in settings]
    for setting, folder in zip(settings, folders, strict=True):
        if not 0 < len(folder.encode()) <= _LONGEST or folders.count(folder) > 1:
            raise ConfigurationError(
                f"The setting {setting.name!r} needs a unique name of at most {_LONGEST} bytes: "
                f"its folder is {folder!r}. A --variant has a name of your choice."
            )
    return settings


class _Source(str):
    """A reference or macro in a gin value; printed as it was written."""

    __repr__ = str.__str__


class _Literal(config_parser.ParserDelegate):
    """Parses references and macros without resolving them, because their targets are not imported
    in this process."""

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> _Source:
        return _Source(f"@{scoped_configurable_name}{'()' if evaluate else ''}")

    def macro(self, macro_name: str) -> _Source:
        return _Source(f"%{macro_name}")


def _parse_binding(flag: str, text: str) -> tuple[str, Any]:
    """Returns (name.parameter, value) of one gin binding."""
    try:
        statements = list(config_parser.ConfigParser(text, _Literal()))
    except (SyntaxError, tokenize.TokenError) as error:
        raise ConfigurationError(
            f"--{flag}: {text!r} is not a gin binding: {error.args[0]}"
        ) from error
    if len(statements) != 1 or not isinstance(statements[0], config_parser.BindingStatement):
        raise ConfigurationError(
            f"--{flag}: {text!r} is not a gin binding, 'critic.ensemble_size=5' for example."
        )
    key = text.partition("=")[0].strip()
    if key == SEED:
        raise ConfigurationError(f"--{flag} cannot set {SEED}; use --seeds.")
    return key, statements[0].value
