"""The listing of all settings of a run, which programs print for `--print_config`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from . import launch

if TYPE_CHECKING:
    from sac_tf.runs.configuration import Configuration

flags.disclaim_key_flags()  # the flag belongs to the program that defines it

_EXAMPLES = {launch.ENVIRONMENT: "'Pendulum-v1'", launch.DATASET: "'pendulum/expert-v0'"}
"""Values of the settings without a default."""
_REQUIRED = {launch.ENVIRONMENT: "required"}
_REQUIRED_OFFLINE = {launch.ENVIRONMENT: "that of the data set", launch.DATASET: "required"}
"""{setting without a default: where its value comes from}."""


def DEFINE_listing(name: str, requires: Sequence[flags.FlagHolder] = ()) -> flags.FlagHolder[bool]:
    """Defines a flag that lists all settings; the flags of `requires` must be given without it."""
    listing = flags.DEFINE_bool(
        name,
        False,
        "Print every setting with its value, default and description, as a gin file, and exit.",
    )
    for flag in requires:
        flags.register_multi_flags_validator(
            [flag, listing],
            lambda values, required=flag.name: bool(values[name] or values[required]),
            message=f"Give --{flag.name}.",
        )
    return listing


def print_config(
    gin_file: Sequence[str],
    bindings: Sequence[str],
    *,
    is_distributed: bool = False,
    is_offline: bool = False,
) -> int:
    """Prints all settings of a run, and returns the exit code; those without a default may be
    missing."""
    launch.divert_native_output(Path(os.devnull))
    sources = _REQUIRED_OFFLINE if is_offline else _REQUIRED
    unset = {name: sources[name] for name in launch.unset(gin_file, bindings, list(sources))}
    filled = [*bindings, *(f"{name} = {_EXAMPLES[name]}" for name in unset)]
    if is_distributed:
        configuration = _of_distributed(gin_file, filled)
    elif is_offline:
        configuration = _of_offline(gin_file, filled)
    else:
        configuration = launch.make_training(gin_file, filled).configuration()
    from sac_tf.runs import descriptions

    print(descriptions.describe(configuration, unset))
    return 0


def _of_distributed(gin_file: Sequence[str], bindings: Sequence[str]) -> "Configuration":
    training = launch.make_distributed(gin_file, bindings)
    from sac_tf.distributed.settings import configuration_of

    return configuration_of(training)


def _of_offline(gin_file: Sequence[str], bindings: Sequence[str]) -> "Configuration":
    training, settings = launch.make_offline(gin_file, bindings)
    from sac_tf.training.offline import configuration_of

    return configuration_of(training, settings)
