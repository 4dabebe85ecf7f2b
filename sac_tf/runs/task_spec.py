"""The task's spec in the folder of a run, for programs on machines where the task cannot be made,
and to find out that a task has changed."""

import json
from pathlib import Path

from sac_tf import files
from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError
from sac_tf.runs import folder
from sac_tf.types import EnvironmentSpec


def load_or_make(root_dir: Path, factory: EnvironmentFactory) -> EnvironmentSpec:
    """Returns the spec saved in the folder of a run, or else that of an environment, which is made
    for it and closed.

    Raises:
      ConfigurationError: no spec is saved and the task cannot be made, or the file is damaged.
    """
    return load(root_dir) or factory.spec()


def load(root_dir: Path) -> EnvironmentSpec | None:
    """Returns the spec saved in the folder of a run, or None; raises ConfigurationError if the file
    is damaged."""
    path = root_dir / folder.TASK
    try:
        return EnvironmentSpec.from_json(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read; delete it where the task can be made, and it is written again."
        ) from error


def save(root_dir: Path, spec: EnvironmentSpec) -> None:
    """Writes the spec into the folder of a run."""
    root_dir.mkdir(parents=True, exist_ok=True)
    files.write_at_once(root_dir / folder.TASK, json.dumps(spec.as_json(), indent=1) + "\n")


def refuse_other(root_dir: Path, title: str, spec: EnvironmentSpec) -> None:
    """Raises ConfigurationError if the run in `root_dir` has a task with other spaces than `spec`,
    which the task `title` has now."""
    saved = load(root_dir)
    difference = None if saved is None else saved.difference(spec)
    if difference is not None:
        raise ConfigurationError(
            f"{title} has changed since the run in {root_dir} began: that run has {difference}. "
            "Use a new --root_dir, or the task as it was."
        )
