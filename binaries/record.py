r"""Records episodes of a run's policy, an exported one or a demonstrator as a Minari data set, or
writes those that a run has collected.

python -m binaries.record --root_dir=runs/cheetah --episodes=20 --output=cheetah/expert-v0
python -m binaries.record --root_dir=runs/cheetah --sampled --steps=100000 --output=cheetah/noisy-v0
python -m binaries.record --root_dir=runs/cheetah --collected --output=cheetah/replay-v0
python -m binaries.record --demonstrator=my_robot:reach --episodes=20 --successes_only \
    --output=demonstrations --gin_bindings="train.environment='my_robot:Reach-v0'"
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from . import launch, policies

if TYPE_CHECKING:
    from sac_tf.training.recording import Player, Recorded
    from sac_tf.types import Episode

_DEFAULT_EPISODES = 20

_ROOT_DIR = launch.DEFINE_path("root_dir", None, "Folder of a run, whose mean action is recorded.")
_POLICY = launch.DEFINE_path("policy", None, "Folder of an exported policy, instead of --root_dir.")
_DEMONSTRATOR = flags.DEFINE_string(
    "demonstrator",
    None,
    "module:function, instead of a policy: f(environment), called at the start of each episode, "
    "returns f(observation) -> action, both as the task has them.",
)
_EPISODES = flags.DEFINE_integer(
    "episodes", None, "Episodes of the data set (default: 20).", lower_bound=1
)
_STEPS = flags.DEFINE_integer(
    "steps",
    None,
    "Steps of the data set, instead of --episodes; the last episode is whole.",
    lower_bound=1,
)
_SAMPLED = flags.DEFINE_bool(
    "sampled",
    False,
    "With --root_dir: act as in training (train.exploration), instead of by the mean action.",
)
_COLLECTED = flags.DEFINE_bool(
    "collected",
    False,
    "With --root_dir: write the steps in the replay of the run, instead of playing.",
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Id of the data set, such as reach/expert-v0, or its folder.", required=True
)
_SUCCESSES_ONLY = flags.DEFINE_bool(
    "successes_only", False, "Record only episodes that succeed at their last step."
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the first episode; the others count up.", lower_bound=0
)
_GIN_FILE = flags.DEFINE_multi_string("gin_file", [], "With --demonstrator: gin file of the task")
_GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings", [], "With --demonstrator: a binding, 'train.environment=...' for example"
)


def main(arguments: list[str]) -> int:
    launch.refuse_arguments(arguments)
    _check_flags()
    if _COLLECTED.value:
        print(_summary(*_write_collected(_ROOT_DIR.value)))
        return 0
    player = _make_player()
    from sac_tf.runs.interrupts import Interrupts
    from sac_tf.training.recording import Size, record

    size = Size(_EPISODES.value or _DEFAULT_EPISODES, "episode")
    with Interrupts() as interrupts:
        recorded = record(
            player,
            _OUTPUT.value,
            size if _STEPS.value is None else Size(_STEPS.value, "step"),
            seed=_SEED.value,
            successes_only=_SUCCESSES_ONLY.value,
            is_interrupted=lambda: interrupts.received is not None,
        )
    if recorded is None:
        assert interrupts.received is not None
        print(f"Stopped by {interrupts.received.name}; nothing was written.")
        return 128 + interrupts.received
    print(_summary(*recorded))
    return 0


def _check_flags() -> None:
    given = [flag.name for flag in (_ROOT_DIR, _POLICY, _DEMONSTRATOR) if flag.value is not None]
    if len(given) != 1:
        raise launch.ConfigurationError("Give one of --root_dir, --policy and --demonstrator.")
    if given != ["demonstrator"] and (_GIN_FILE.value or _GIN_BINDINGS.value):
        raise launch.ConfigurationError(
            f"--gin_file and --gin_bindings are for --demonstrator: --{given[0]} has its own task."
        )
    for flag in (_SAMPLED, _COLLECTED):
        if flag.value and given != ["root_dir"]:
            raise launch.ConfigurationError(f"--{flag.name} is for --root_dir, not --{given[0]}.")
    if _EPISODES.value and _STEPS.value:
        raise launch.ConfigurationError("Give --episodes or --steps, and not both.")
    playing = (_EPISODES, _STEPS, _SAMPLED, _SUCCESSES_ONLY)
    refused = [flag.name for flag in playing if flag.value]
    if _COLLECTED.value and refused:
        raise launch.ConfigurationError(
            f"--collected writes what the run has collected: leave --{refused[0]} out."
        )


def _write_collected(root_dir: Path) -> "Recorded":
    run = launch.restore_run(root_dir)
    from sac_tf.training.collected import write_collected

    return write_collected(root_dir, run.factory, _OUTPUT.value)


def _make_player() -> "Player":
    if _DEMONSTRATOR.value is not None:
        return _demonstrator(_DEMONSTRATOR.value)
    root_dir = _ROOT_DIR.value
    if root_dir is None:
        policy = policies.exported(_POLICY.value)
    else:
        policy = policies.of_run(root_dir, sampling_seed=_SEED.value if _SAMPLED.value else None)
    policy.make_environment(1).close()  # a task that has changed is refused
    from sac_tf.training.recording import Player

    act = policy.act(1)
    return Player(policy.factory, lambda _: act, policy.title, policy.in_task_units)


def _demonstrator(name: str) -> "Player":
    launch.divert_native_output(Path(os.devnull))
    training = launch.read_training(_GIN_FILE.value, _GIN_BINDINGS.value)
    from sac_tf.training.recording import demonstrator

    return demonstrator(name, training.environment_factory)


def _summary(folder: Path, episodes: "list[Episode]") -> str:
    from sac_tf.runs.episodes import EpisodeInfo

    steps = sum(episode.length for episode in episodes)
    result = EpisodeInfo().summarize(episodes)
    return f"Recorded {steps:,} steps in {folder}: return {result}"


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
