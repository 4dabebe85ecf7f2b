"""Restores the train state of a run, without its replay."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from sac_tf.agents.sac.state import TrainState
from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError
from sac_tf.runs import folder, task_spec
from sac_tf.runs.checkpoints import CheckpointStore, Progress, read_state
from sac_tf.types import EnvironmentSpec


@dataclasses.dataclass(frozen=True)
class RestoredRun:
    """The newest checkpoint of a run.

    Attributes:
      factory: makes the environments of the task it was trained on.
      spec: of that task.
      state: with the trained weights.
      step: environment steps it was trained for.
      checkpoint: its folder.
    """

    factory: EnvironmentFactory
    spec: EnvironmentSpec
    state: TrainState
    step: int
    checkpoint: Path


def restore(
    root_dir: Path,
    factory: EnvironmentFactory,
    make_state: Callable[[EnvironmentSpec], TrainState],
) -> RestoredRun:
    """Returns the state of the newest intact checkpoint in `root_dir`.

    Args:
      root_dir: of the run.
      factory: of its task.
      make_state: builds the train state as the run was configured.

    Raises:
      ConfigurationError: there is no checkpoint yet.
      RunError: all checkpoints are damaged.
    """
    checkpoint = CheckpointStore(root_dir / folder.CHECKPOINTS).latest()
    if checkpoint is None:
        raise ConfigurationError(
            f"--root_dir={root_dir} holds no checkpoint yet; wait for the first one."
        )
    spec = task_spec.load_or_make(root_dir, factory)
    state = make_state(spec)
    read_state(state, checkpoint)
    step = Progress.load(checkpoint).step
    return RestoredRun(factory, spec, state, step, checkpoint)
