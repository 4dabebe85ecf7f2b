"""Records an episode as an .mp4 video."""

from pathlib import Path

import imageio

from sac_tf.environments.environment import Environment
from sac_tf.errors import RunError
from sac_tf.training.collecting import collect
from sac_tf.types import Act

_FRAMES_PER_SECOND = 30


def record_video(environment: Environment, act: Act, seed: int, path: Path) -> int:
    """Plays one episode, writes its frames to `path` (.mp4), and returns the number of frames.

    Args:
      environment: one environment that renders; the caller closes it.
      act: chooses its actions.
      seed: of the episode.
      path: the file to write.

    Raises:
      RunError: the environment cannot be rendered on this machine, or the file cannot be written.
    """
    frames = 0
    try:
        with imageio.v2.get_writer(path, fps=_FRAMES_PER_SECOND, macro_block_size=2) as writer:
            for _, finished in collect(environment, act, seed):
                if finished:  # the environment has been reset and renders the next episode
                    break
                writer.append_data(environment.render())
                frames += 1
    except Exception as error:  # each graphics driver raises its own kinds of errors
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RunError(
            f"The video {path} cannot be recorded ({reason}). "
            "Without a screen, MuJoCo needs EGL or OSMesa: set MUJOCO_GL=egl or MUJOCO_GL=osmesa."
        ) from error
    return frames
