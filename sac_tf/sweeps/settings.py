"""The rows of an ablation table: combinations of swept values, or named variants."""

import itertools
import re
import tokenize
from collections.abc import Sequence
from typing import Any, NamedTuple

from gin import config_parser

from sac_tf.errors import ConfigurationError

SEED = "train.seed"


class Setting(NamedTuple):
    """What one row adds to the configuration that all rows share, and its name."""

    name: str
    gin_files: tuple[str, ...]
    gin_bindings: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The name as a folder that needs no quotes in a shell."""
        bare = re.sub(r"[()\[\]{}'\"]", "", self.name).replace(", ", ",")
        return re.sub(r"[^\w.,=+@-]+", "_", bare).strip("._")


def grid(sweeps: Sequence[str]) -> list[Setting]:
    """Returns every combination of values, the last parameter varying fastest.

    Args:
      sweeps: `name.parameter=[value, value]` each; a value is what gin takes: a literal, @reference
        or %macro.

    Raises:
      ConfigurationError: a text that is none, or names that do not differ.
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
        p if parameters.count(p) == 1 else key for p, key in zip(parameters, keys, strict=True)
    ]
    combinations = itertools.product(*(values for _, values in axes))
    return _distinct([_combination(keys, labels, values) for values in combinations])


def variants(texts: Sequence[str]) -> list[Setting]:
    """Returns a setting for each text, in their order.

    Args:
      texts: `name: item; item` each; an item is a gin binding, or a gin file that is read after the
        shared ones. A variant without items is the shared configuration itself.

    Raises:
      ConfigurationError: a text that is none, or names that do not differ.
    """
    return _distinct([_variant(text) for text in texts])


def _combination(keys: Sequence[str], labels: Sequence[str], values: Sequence[Any]) -> Setting:
    name = ", ".join(f"{label}={value!r}" for label, value in zip(labels, values, strict=True))
    return Setting(
        name, (), tuple(f"{key} = {value!r}" for key, value in zip(keys, values, strict=True))
    )


def _variant(text: str) -> Setting:
    name, colon, rest = text.partition(":")
    items = [item.strip() for item in rest.split(";") if item.strip()]
    if not colon or "=" in name:
        raise ConfigurationError(
            f"--variant={text} must be a name, a colon and bindings: 'one critic: a.b=1; c.d=2'."
        )
    bindings = [_parse_binding("variant", item) for item in items if not item.endswith(".gin")]
    files = tuple(item for item in items if item.endswith(".gin"))
    return Setting(name.strip(), files, tuple(f"{key} = {value!r}" for key, value in bindings))


def _distinct(settings: list[Setting]) -> list[Setting]:
    folders = [setting.folder for setting in settings]
    for setting, folder in zip(settings, folders, strict=True):
        if not folder or folders.count(folder) > 1:
            raise ConfigurationError(
                f"The setting {setting.name!r} needs a name of its own: its folder is {folder!r}."
            )
    return settings


class _Source(str):
    """A part of a gin value that stands for something else, and is printed as it was written."""

    __repr__ = str.__str__


class _Literal(config_parser.ParserDelegate):
    """Leaves references and macros as they are: nothing is imported here that they could name."""

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
            f"--{flag}: {text!r} is no gin binding: {error.args[0]}"
        ) from error
    if len(statements) != 1 or not isinstance(statements[0], config_parser.BindingStatement):
        raise ConfigurationError(
            f"--{flag}: {text!r} is no gin binding, 'critic.ensemble_size=5' for example."
        )
    key = text.partition("=")[0].strip()
    if key == SEED:
        raise ConfigurationError(f"--{flag} cannot set {SEED}, which --seeds does.")
    return key, statements[0].value
