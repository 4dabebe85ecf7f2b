"""The configuration of a run: checked before any work, saved with the run, compared on resume.

It lists every setting of the run, bound or default, including those that only other processes of a
distributed run read. Finding them runs nothing (`pinned.gin_registry`).
"""

import ast
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sac_tf import files
from sac_tf.errors import ConfigurationError
from sac_tf.pinned.gin_registry import default_of, settings_of
from sac_tf.runs import folder

_MAY_CHANGE = ("train.total_steps",)
"""Settings that a resumed run may change."""
_OF_OLDER_VERSIONS = "TrainState."
"""Begins the name of a setting that only versions had whose checkpoints cannot be read."""
_BOOLEANS = ("True", "False")
_PATHS = ("train.initialize_from",)
"""Settings whose values are paths, which `Training` makes absolute."""


@dataclasses.dataclass(frozen=True)
class Configuration:
    """All settings of a run.

    Attributes:
      settings: {"scope/name.parameter": value as gin text}.
      modules: imported by a gin file with these settings.
      may_change: settings, or prefixes of settings, that a resumed run may change.
      defaults: the settings that have their default.
    """

    settings: dict[str, str]
    modules: frozenset[str]
    may_change: tuple[str, ...] = _MAY_CHANGE
    defaults: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        roots: Iterable[Any],
        ignored: dict[str, set[str]],
        may_change: tuple[str, ...] = (),
    ) -> "Configuration":
        """Returns the configuration of a run.

        Args:
          roots: configurables that the programs of the run build; all that they refer to belongs
            to it.
          ignored: {name: parameters} that this kind of run never reads.
          may_change: settings that a resumed run may change, besides `train.total_steps`.

        Raises:
          ConfigurationError: a binding that no part of the run uses, or a value that is neither
            True nor False where the default is one of them.
        """
        found = settings_of(roots, ignored)
        if found.unused:
            raise ConfigurationError(
                f"The binding of {', '.join(found.unused)} has no effect: no part of this run uses "
                "it."
            )
        for name, value in found.values.items():
            if value not in _BOOLEANS and default_of(name) in _BOOLEANS:
                raise ConfigurationError(f"{name} must be True or False, got {value}.")
        return cls(
            found.values,
            frozenset(found.modules),
            (*_MAY_CHANGE, *may_change),
            frozenset(found.defaults),
        )

    def refuse_other(self, root_dir: Path) -> None:
        """Raises ConfigurationError if `root_dir` holds a run with other settings."""
        path = root_dir / folder.CONFIGURATION
        if not path.exists():
            return
        refuse_older(root_dir)
        there = read_settings(path)
        # An older version, which had no such setting, did what its default does.
        here = {
            name: value
            for name, value in self.settings.items()
            if name in there or name not in self.defaults
        }
        changed = differences(there, here, self.may_change)
        if changed:
            changes = "; ".join(f"{name} was {then}, now {now}" for name, then, now in changed)
            raise ConfigurationError(
                f"--root_dir={root_dir} holds a run with another configuration ({changes}). "
                "Use a new --root_dir, or the same settings."
            )

    def save(self, root_dir: Path) -> None:
        """Writes the configuration as a gin file."""
        imports = [f"import {module}" for module in sorted(self.modules)]
        bindings = [f"{name} = {value}" for name, value in sorted(self.settings.items())]
        text = "\n".join([*imports, "", *bindings]) + "\n"
        files.write_at_once(root_dir / folder.CONFIGURATION, text)


def refuse_older(root_dir: Path) -> None:
    """Raises ConfigurationError if an older version, whose checkpoints cannot be read, began the
    run in `root_dir`."""
    path = root_dir / folder.CONFIGURATION
    if path.is_file() and any(name.startswith(_OF_OLDER_VERSIONS) for name in read_settings(path)):
        raise ConfigurationError(
            f"The run in {root_dir} was begun by an older version of sac_tf, whose checkpoints "
            "have another layout; use it with that version, or start again in a new --root_dir."
        )


def read_settings(path: Path) -> dict[str, str]:
    """Returns {"scope/name.parameter": value as gin text} of a file that `save` wrote."""
    lines = [line.partition(" = ") for line in path.read_text().splitlines()]
    return {name: value for name, equals, value in lines if equals}


def differences(
    there: dict[str, str], here: dict[str, str], ignored: tuple[str, ...] = ()
) -> list[tuple[str, str, str]]:
    """Returns (name, value there, value here) of each setting that differs; settings whose names
    begin with one of `ignored` may differ."""
    return [
        (name, there.get(name, "not set"), here.get(name, "not set"))
        for name in sorted(there | here)
        if there.get(name) != here.get(name)
        and not name.startswith(ignored)
        and not (name in _PATHS and _is_same_path(there.get(name), here.get(name)))
    ]


def _is_same_path(first: str | None, second: str | None) -> bool:
    """Returns whether two values can be one path: a relative one may be of any working directory
    and so has to be the end of the other."""
    paths = [ast.literal_eval(text) for text in (first, second) if text is not None]
    if len(paths) < 2 or not all(isinstance(path, str) for path in paths):
        return False
    shorter, longer = sorted(map(Path, paths), key=lambda path: len(path.parts))
    return not shorter.is_absolute() and longer.parts[-len(shorter.parts) :] == shorter.parts
