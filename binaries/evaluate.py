"""Evaluates the mean action of a run's policy or of an exported one, and records a video.

python -m binaries.evaluate --root_dir=runs/cheetah --episodes=10 --video=cheetah.mp4
python -m binaries.evaluate --policy=runs/cheetah/policy
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from absl import flags

from . import launch

if TYPE_CHECKING:
    from sac_tf.types import Act

_ROOT_DIR = launch.DEFINE_path("root_dir", None, "Folder of a run.")
_POLICY = launch.DEFINE_path("policy", None, "Folder of an exported policy, instead of --root_dir.")
_EPISODES = flags.DEFINE_integer("episodes", 10, "Episodes to play.", lower_bound=1)
_VIDEO = launch.DEFINE_path("video", None, "Record the first episode as this .mp4 file.")
_SEED = 0  # of the first episode; the others count up


class _Policy(NamedTuple):
    """A policy to evaluate.

    Attributes:
      title: of the printed result.
      environment_id: its task.
      act: f(E), how it acts in E environments.
      scale_actions: whether its actions are in [-1, 1], and not in the task's own bounds.
    """

    title: str
    environment_id: str
    act: "Callable[[int], Act]"
    scale_actions: bool


def main(arguments: list[str]) -> None:
    launch.refuse_arguments(arguments)
    if (_ROOT_DIR.value is None) == (_POLICY.value is None):
        raise launch.ConfigurationError("Give --root_dir or --policy, and not both.")
    if _VIDEO.value and _VIDEO.value.suffix != ".mp4":
        raise launch.ConfigurationError(f"--video={_VIDEO.value} must end in .mp4.")
    policy = _of_run(_ROOT_DIR.value) if _POLICY.value is None else _exported(_POLICY.value)
    from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment
    from sac_tf.training import evaluate, video

    print(policy.title)
    environment = GymnasiumEnvironment(
        policy.environment_id, _EPISODES.value, scale_actions=policy.scale_actions
    )
    played = evaluate.play(environment, policy.act(_EPISODES.value), _SEED)
    print(f"Evaluation return {evaluate.summarize(played)}")
    if _VIDEO.value:
        filmed = GymnasiumEnvironment(
            policy.environment_id, render_mode="rgb_array", scale_actions=policy.scale_actions
        )
        frames = video.record_video(filmed, policy.act(1), _SEED, _VIDEO.value)
        print(f"Video of {frames} frames in {_VIDEO.value}")


def _of_run(root_dir: Path) -> _Policy:
    run = launch.restore_run(root_dir)
    from sac_tf.training.acting import mean_actions

    title = f"{run.environment_id}, policy of step {run.step:,} ({run.checkpoint})"
    return _Policy(
        title, run.environment_id, lambda size: mean_actions(run.state, run.spec, size), True
    )


def _exported(folder: Path) -> _Policy:
    launch.divert_native_output(Path(os.devnull))
    from sac_tf.serving import loading

    policy = loading.load(folder)
    loading.require_fit(policy)
    title = f"{policy.spec.task}, policy of step {policy.spec.step:,} ({folder})"
    return _Policy(title, policy.spec.task, lambda _: policy.act, False)


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
