"""Pairs of variant files, and of a task and a variant, and the sentence that refuses a pair."""

import itertools
import re
from pathlib import Path

import gin
import pytest

import sac_tf.training.train  # noqa: F401  (registers what the files name)
from sac_tf.errors import ConfigurationError
from sac_tf.runs import gin_files

SAC = "gin_configs/sac.gin"
TASKS = sorted(map(str, Path("gin_configs/tasks").glob("*.gin")))
VARIANTS = sorted(set(map(str, Path("gin_configs").glob("*.gin"))) - {SAC})
WITHOUT_CRITICS = "gin_configs/bc.gin"
SETS_CRITICS = "gin_configs/adamw.gin"
"""Refused with `WITHOUT_CRITICS`, because some of its bindings have no effect there."""
WITH_CLASSIFIER = "gin_configs/vice.gin"
"""Its classifier has inputs and an optimizer besides those of policy and critics."""
PAIRS = [
    pair
    for pair in itertools.combinations(VARIANTS, 2)
    if set(pair) != {SETS_CRITICS, WITHOUT_CRITICS}
]
TASK_PAIRS = list(itertools.product(TASKS, VARIANTS))
_REFUSAL = re.compile(
    r"(\S+) sets (\S+) = (\S.*) and (\S+) sets (\S+) = (\S.*); "
    r"leave out one of the files(?:, or decide with --gin_bindings='(\S+) = \.\.\.')?\."
)


def algorithm_of(file) -> str | None:
    """Returns the value that a file gives `train.agent`, or None if it fits all algorithms."""
    return gin_files.bindings_in(file).get("train.agent")


def name_of(path):
    return Path(path).stem


def read(*files, bindings=()) -> None:
    """Reads files; the environment is Pendulum-v1 unless a task is among them."""
    environment = [] if set(files) & set(TASKS) else ["train.environment = 'Pendulum-v1'"]
    gin.clear_config()
    gin_files.read(files, [*environment, *bindings])


def refusal_of(files, bindings=()) -> re.Match | None:
    """Returns the groups of the sentence that refuses `files`, or None if they compose."""
    try:
        read(*files, bindings=bindings)
    except ConfigurationError as error:
        return _REFUSAL.fullmatch(str(error)) or pytest.fail(f"another sentence: {error}")
    return None
