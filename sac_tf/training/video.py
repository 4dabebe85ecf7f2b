"""A policy on film."""

from pathlib import Path

import imageio

from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment
from sac_tf.errors import RunError
from sac_tf.training.collecting import collect
from sac_tf.types import Act

_FRAMES_PER_SECOND = 30


def film(environment_id: str, act: Act, seed: int, path: Path, scale_actions: bool = True) -> int:
    """Plays one episode, writes it to `path` (.mp4), and returns the number of frames.

    Args:
      environment_id: what to play.
      act: for one environment.
      seed: of the episode.
      path: the file to write.
      scale_actions: `act` gives actions in [-1, 1]; False: within the task's own bounds.

    Raises:
      RunError: the environment cannot be rendered on this machine, or the file cannot be written.
    """
    environment = GymnasiumEnvironment(
        environment_id, render_mode="rgb_array", scale_actions=scale_actions
    )
    frames = 0
    try:
        with imageio.v2.get_writer(path, fps=_FRAMES_PER_SECOND, macro_block_size=2) as writer:
            for _, finished in collect(environment, act, seed):
                if finished:  # the environment has been reset: its picture is of the next episode
                    return frames
                writer.append_data(environment.render())
                frames += 1
    except Exception as error:  # rendering fails in as many ways as there are graphics drivers
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RunError(
            f"{environment_id} cannot be filmed into {path} ({reason}). "
            "Without a screen, MuJoCo needs EGL or OSMesa: set MUJOCO_GL=egl or MUJOCO_GL=osmesa."
        ) from error
    finally:
        environment.close()
    return frames
