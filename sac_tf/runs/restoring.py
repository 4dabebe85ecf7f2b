"""The policy of a run, brought back without its replay."""

import dataclasses
from pathlib import Path

import gin

from sac_tf.agents.sac.state import TrainState
from sac_tf.environments.gymnasium_environment import spec_of
from sac_tf.errors import ConfigurationError
from sac_tf.runs.checkpoints import CheckpointStore, Progress
from sac_tf.training.learner import restore_state
from sac_tf.types import EnvironmentSpec


@dataclasses.dataclass(frozen=True)
class RestoredRun:
    """The newest checkpoint of a run.

    Attributes:
      environment_id: the task it was trained on.
      spec: of that task.
      state: with the trained weights.
      step: environment steps behind it.
      checkpoint: the folder it came from.
    """

    environment_id: str
    spec: EnvironmentSpec
    state: TrainState
    step: int
    checkpoint: Path


def restore(root_dir: Path) -> RestoredRun:
    """Returns the state of the newest whole checkpoint in `root_dir`. gin must hold the run's
    configuration.

    Raises:
      ConfigurationError: there is no checkpoint yet.
      RunError: no checkpoint is whole.
    """
    checkpoint = CheckpointStore(root_dir / "checkpoints").latest()
    if checkpoint is None:
        raise ConfigurationError(
            f"--root_dir={root_dir} holds no checkpoint yet; wait for the first one."
        )
    environment_id = gin.query_parameter("train.environment")
    spec = spec_of(environment_id)
    state = gin.get_configurable("TrainState")(spec, seed=0)
    restore_state(state, checkpoint)
    return RestoredRun(environment_id, spec, state, Progress.load(checkpoint).step, checkpoint)
