"""Evaluates the policy of a run with its mean action, and films it if asked.

python -m binaries.evaluate --root_dir=runs/cheetah --episodes=10 --video=cheetah.mp4
"""

from pathlib import Path

from absl import flags

from binaries import launch

_ROOT_DIR = flags.DEFINE_string("root_dir", None, "Folder of a run.", required=True)
_EPISODES = flags.DEFINE_integer("episodes", 10, "Episodes to play.", lower_bound=1)
_VIDEO = flags.DEFINE_string("video", None, "Film the first episode into this .mp4 file.")
_SEED = 0  # of the first episode; the others count up


def main(arguments: list[str]) -> None:
    launch.refuse_arguments(arguments)
    root_dir = Path(_ROOT_DIR.value)
    config = root_dir / "config.gin"
    if not config.is_file():
        raise launch.ConfigurationError(f"--root_dir={root_dir} holds no run (there is no {config}).")
    if _VIDEO.value and not _VIDEO.value.endswith(".mp4"):
        raise launch.ConfigurationError(f"--video={_VIDEO.value} must end in .mp4.")
    launch.open_root_dir(str(root_dir))
    from sac_tf.agents.policies import mean_actions
    from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment
    from sac_tf.training import evaluation, restoring, video

    launch.parse_gin([str(config)], [])
    run = restoring.restore(root_dir)
    print(f"{run.environment_id}, policy of step {run.step:,} ({run.checkpoint})")
    episodes = _EPISODES.value
    environment = GymnasiumEnvironment(run.environment_id, episodes)
    played = evaluation.play(environment, mean_actions(run.state, run.spec, episodes), _SEED)
    print(f"Evaluation return {evaluation.summarize(played)}")
    if _VIDEO.value:
        frames = video.film(run.environment_id, mean_actions(run.state, run.spec, 1), _SEED, Path(_VIDEO.value))
        print(f"Video of {frames} frames in {_VIDEO.value}")


if __name__ == "__main__":
    launch.run(main)
