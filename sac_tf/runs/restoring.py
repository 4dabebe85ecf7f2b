"""Restores the policy of a run, and nothing else of its train state."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from sac_tf.agents.policy import Policy
from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError
from sac_tf.runs import folder, task_spec
from sac_tf.runs.checkpoints import CheckpointStore, Progress, read_policy
from sac_tf.types import EnvironmentSpec


@dataclasses.dataclass(frozen=True)
class RestoredRun:
    """The newest checkpoint of a run.

    Attributes:
      factory: makes the environments of the task it was trained on.
      spec: of that task.
      policy: with the trained weights.
      step: environment steps it was trained for.
      checkpoint: its folder.
    """

    factory: EnvironmentFactory
    spec: EnvironmentSpec
    policy: Policy
    step: int
    checkpoint: Path


def restore(
    root_dir: Path,
    factory: EnvironmentFactory,
    make_policy: Callable[[EnvironmentSpec], Policy],
) -> RestoredRun:
    """Returns the policy of the newest intact checkpoint in `root_dir`.

    Args:
      root_dir: of the run.
      factory: of its task.
      make_policy: builds the policy as the run was configured.

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
    policy = make_policy(spec)
    read_policy(policy, checkpoint)
    step = Progress.load(checkpoint).step
    return RestoredRun(factory, spec, policy, step, checkpoint)
