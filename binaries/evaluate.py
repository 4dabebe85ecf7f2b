"""Evaluates the mean action of a run's policy or of an exported one, and records a video.

python -m binaries.evaluate --root_dir=runs/cheetah --episodes=10 --video=cheetah.mp4
python -m binaries.evaluate --policy=runs/cheetah/best_policy --output=episodes.csv
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from . import launch, policies

if TYPE_CHECKING:
    from sac_tf.runs.interrupts import Interrupts
    from sac_tf.training.evaluate import Evaluator

_ROOT_DIR = launch.DEFINE_path("root_dir", None, "Folder of a run.")
_POLICY = launch.DEFINE_path("policy", None, "Folder of an exported policy, instead of --root_dir.")
_EPISODES = flags.DEFINE_integer("episodes", 10, "Episodes to play.", lower_bound=1)
_ENVIRONMENTS = flags.DEFINE_integer(
    "environments",
    None,
    "Environments stepped together (default: Evaluator.environments of the run).",
    lower_bound=1,
)
_VIDEO = launch.DEFINE_path("video", None, "Record the first episode as this .mp4 file.")
_OUTPUT = launch.DEFINE_path("output", None, "Write the episodes to this .json or .csv file.")
_SEED = 0  # of the first episode; the others count up


def main(arguments: list[str]) -> int:
    launch.refuse_arguments(arguments)
    _check_flags()
    root_dir = _ROOT_DIR.value
    policy = policies.exported(_POLICY.value) if root_dir is None else policies.of_run(root_dir)
    from sac_tf.runs.interrupts import Interrupts

    with Interrupts() as interrupts:
        if _VIDEO.value:  # a task that makes no pictures is refused before any episode
            policy.make_environment(1, "rgb_array").close()
        evaluator = _make_evaluator(policy, interrupts)
        print(policy.title, flush=True)
        try:
            is_done = _play(policy, evaluator)
        finally:
            evaluator.close()
        if is_done and _VIDEO.value:
            is_done = _film(policy, _VIDEO.value, evaluator.max_steps, interrupts)
    if interrupts.received is not None and not is_done:
        print(f"Stopped by {interrupts.received.name} before all episodes were played.")
        return 128 + interrupts.received
    return 0


def _check_flags() -> None:
    if (_ROOT_DIR.value is None) == (_POLICY.value is None):
        raise launch.ConfigurationError("Give --root_dir or --policy, and not both.")
    if _VIDEO.value and _VIDEO.value.suffix != ".mp4":
        raise launch.ConfigurationError(f"--video={_VIDEO.value} must end in .mp4.")
    if _OUTPUT.value and _OUTPUT.value.suffix not in (".json", ".csv"):
        raise launch.ConfigurationError(f"--output={_OUTPUT.value} must end in .json or .csv.")
    for flag in (_VIDEO, _OUTPUT):
        if flag.value and not flag.value.parent.is_dir():
            raise launch.ConfigurationError(
                f"--{flag.name}={flag.value} cannot be written: its folder does not exist."
            )
        if flag.value and flag.value.is_dir():
            raise launch.ConfigurationError(f"--{flag.name}={flag.value} is a folder.")


def _make_evaluator(policy: policies.PlayedPolicy, interrupts: "Interrupts") -> "Evaluator":
    """Returns an evaluator with the settings of the run, if gin has read them."""
    from sac_tf.training.evaluate import Evaluator

    make: Callable[..., Evaluator] = Evaluator
    if _ENVIRONMENTS.value is not None:
        make = functools.partial(Evaluator, environments=_ENVIRONMENTS.value)
    return make(
        policy.make_environment,
        policy.act,
        training_environment=None,
        is_interrupted=lambda: interrupts.received is not None,
        episodes=_EPISODES.value,
    )


def _play(policy: policies.PlayedPolicy, evaluator: "Evaluator") -> bool:
    """Plays the episodes and prints them; returns False if a signal came before their end."""
    from sac_tf.training import results

    episodes = evaluator.play(_SEED)
    if episodes is None:
        return False
    print("\n".join(results.lines(episodes, evaluator.info, _SEED)))
    if _OUTPUT.value:
        output = _OUTPUT.value
        try:
            results.write(output, policy.title, episodes, evaluator.info, _SEED)
        except OSError as error:
            raise launch.ConfigurationError(
                f"--output={output} cannot be written ({error.strerror})."
            ) from error
        print(f"Episodes in {output}")
    return True


def _film(
    policy: policies.PlayedPolicy, path: Path, max_steps: int | None, interrupts: "Interrupts"
) -> bool:
    """Records a video; returns False if a signal came before its end."""
    from sac_tf.training import video

    environment = policy.make_environment(1, "rgb_array")
    try:
        frames = video.record_video(
            environment,
            policy.act(1),
            _SEED,
            path,
            max_steps,
            is_interrupted=lambda: interrupts.received is not None,
        )
    finally:
        environment.close()
    if interrupts.received is not None:
        return False
    print(f"Video of {frames} frames in {path}")
    return True


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
