"""Evaluates the mean action of a run's policy or of an exported one, and records a video.

python -m binaries.evaluate --root_dir=runs/cheetah --episodes=10 --video=cheetah.mp4
python -m binaries.evaluate --policy=runs/cheetah/policy
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from absl import flags

from binaries import launch

if TYPE_CHECKING:
    from sac_tf.environments.environment import Environment
    from sac_tf.environments.factory import EnvironmentFactory
    from sac_tf.types import Act, EnvironmentSpec

_ROOT_DIR = flags.DEFINE_string("root_dir", None, "Folder of a run.")
_POLICY = flags.DEFINE_string(
    "policy", None, "Folder of an exported policy, instead of --root_dir."
)
_EPISODES = flags.DEFINE_integer("episodes", 10, "Episodes to play.", lower_bound=1)
_VIDEO = flags.DEFINE_string("video", None, "Record the first episode as this .mp4 file.")
_SEED = 0  # of the first episode; the others count up


class _Policy(NamedTuple):
    """A policy to evaluate.

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


def main(arguments: list[str]) -> None:
    launch.refuse_arguments(arguments)
    if (_ROOT_DIR.value is None) == (_POLICY.value is None):
        raise launch.ConfigurationError("Give --root_dir or --policy, and not both.")
    if _VIDEO.value and not _VIDEO.value.endswith(".mp4"):
        raise launch.ConfigurationError(f"--video={_VIDEO.value} must end in .mp4.")
    if _POLICY.value is not None:
        policy = _exported(Path(_POLICY.value))
    else:
        policy = _of_run(str(_ROOT_DIR.value))
    from sac_tf.training import evaluate, video

    print(policy.title)
    environment = _make_environment(policy, _EPISODES.value)
    played = evaluate.play(environment, policy.act(_EPISODES.value), _SEED)
    print(f"Evaluation return {evaluate.summarize(played)}")
    if _VIDEO.value:
        path = Path(_VIDEO.value)
        filmed = _make_environment(policy, 1, render_mode="rgb_array")
        frames = video.record_video(filmed, policy.act(1), _SEED, path)
        print(f"Video of {frames} frames in {path}")


def _of_run(root_dir: str) -> _Policy:
    run = launch.restore_run(root_dir)
    from sac_tf.training.acting import mean_actions

    return _Policy(
        title=f"{run.factory.title}, policy of step {run.step:,} ({run.checkpoint})",
        factory=run.factory,
        spec=run.spec,
        act=lambda size: mean_actions(run.state, run.spec, size),
        in_task_units=False,
    )


def _exported(folder: Path) -> _Policy:
    launch.divert_native_output(Path(os.devnull))
    from sac_tf.environments.factory import EnvironmentFactory
    from sac_tf.serving import loading

    policy = loading.load(folder)
    return _Policy(
        title=f"{policy.spec.task}, policy of step {policy.spec.step:,} ({folder})",
        factory=EnvironmentFactory(**policy.spec.environment),
        spec=policy.spec.spaces,
        act=lambda _: policy.act,
        in_task_units=True,
    )


def _make_environment(
    policy: _Policy, num_environments: int, render_mode: str | None = None
) -> "Environment":
    """Returns environments of the policy's task; raises ConfigurationError if it has changed."""
    environment = policy.factory.make(
        num_environments,
        is_evaluation=True,
        render_mode=render_mode,
        in_task_units=policy.in_task_units,
    )
    difference = policy.spec.difference(environment.spec)
    if difference is not None:
        environment.close()
        raise launch.ConfigurationError(
            f"The policy does not fit {policy.factory.title} as it is now: the policy has "
            f"{difference}."
        )
    return environment


if __name__ == "__main__":
    launch.run(main)
