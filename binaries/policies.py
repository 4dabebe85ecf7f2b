"""Policies that programs play: the newest one of a run, and an exported one."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from . import launch

if TYPE_CHECKING:
    from sac_tf.environments.environment import Environment
    from sac_tf.environments.factory import EnvironmentFactory
    from sac_tf.runs.restoring import RestoredRun
    from sac_tf.types import Act, EnvironmentSpec


class PlayedPolicy(NamedTuple):
    """A policy with its task.

    Attributes:
      title: of the printed result.
      factory: makes the environments of its task.
      spec: of the task it was trained on.
      act: f(E), how it acts in E environments.
      in_task_units: whether it takes and returns the task's own arrays, as exported policies do.
    """

    title: str
    factory: "EnvironmentFactory"
    spec: "EnvironmentSpec"
    act: "Callable[[int], Act]"
    in_task_units: bool

    def make_environment(self, size: int, render_mode: str | None = None) -> "Environment":
        """Returns environments of the task; raises ConfigurationError if it has changed."""
        environment = self.factory.make(
            size,
            is_evaluation=True,
            render_mode=render_mode,
            in_task_units=self.in_task_units,
        )
        difference = self.spec.difference(environment.spec)
        if difference is not None:
            environment.close()
            raise launch.ConfigurationError(
                f"The policy does not fit {self.factory.title} as it is now: the policy has "
                f"{difference}."
            )
        return environment


def of_run(root_dir: Path, sampling_seed: int | None = None) -> PlayedPolicy:
    """Returns the newest policy of a run, with gin's settings of that run; raises as
    `launch.restore_run`.

    Args:
      root_dir: of the run.
      sampling_seed: of actions drawn as in training; None for the mean action.
    """
    run = launch.restore_run(root_dir)
    from sac_tf.training.acting import mean_actions

    act = functools.partial(mean_actions, run.policy, run.spec)
    return PlayedPolicy(
        title=f"{run.factory.title}, policy of step {run.step:,} ({run.checkpoint})",
        factory=run.factory,
        spec=run.spec,
        act=act if sampling_seed is None else functools.partial(_sampled, run, sampling_seed),
        in_task_units=False,
    )


def _sampled(run: "RestoredRun", seed: int, size: int) -> "Act":
    """Returns how the policy acts in training, with `train.exploration` of gin's settings."""
    import tensorflow as tf

    from sac_tf.training.train import Training

    generator = tf.random.Generator.from_seed(seed)
    exploration = Training().exploration(run.policy, generator, run.spec, size)
    exploration.begin()
    return exploration.act


def exported(folder: Path) -> PlayedPolicy:
    """Returns an exported policy; raises ConfigurationError if the folder has none."""
    launch.divert_native_output(Path(os.devnull))
    from sac_tf.environments.factory import EnvironmentFactory
    from sac_tf.serving import loading

    policy = loading.load(folder)
    return PlayedPolicy(
        title=f"{policy.spec.task}, policy of step {policy.spec.step:,} ({folder})",
        factory=EnvironmentFactory(**policy.spec.environment),
        spec=policy.spec.spaces,
        act=lambda _: policy.act,
        in_task_units=True,
    )
