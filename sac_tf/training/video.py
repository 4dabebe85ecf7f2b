"""Records an episode as an .mp4 video."""

import sys
from collections.abc import Callable
from pathlib import Path

import imageio

from sac_tf.environments import rendering
from sac_tf.environments.environment import Environment
from sac_tf.errors import RunError
from sac_tf.types import Act


def record_video(
    environment: Environment,
    act: Act,
    seed: int,
    path: Path,
    max_steps: int | None = None,
    is_interrupted: Callable[[], bool] = lambda: False,
) -> int:
    """Plays one episode, writes an image of each of its states to `path` (.mp4), the first and the
    last included, and returns their number.

    Args:
      environment: one environment that renders; the caller closes it.
      act: chooses its actions.
      seed: of the episode.
      path: the file to write.
      max_steps: bound of the episode; None: none.
      is_interrupted: read before each step; the video then ends there.

    Raises:
      RunError: the environment cannot be rendered here, or the file cannot be written.
    """
    steps = 0
    try:
        observation = environment.reset(seed)
        rate = environment.frames_per_second
        with imageio.v2.get_writer(path, fps=rate, macro_block_size=2) as writer:
            writer.append_data(environment.render())
            ended = False
            while not ended and steps != max_steps and not is_interrupted():
                step = environment.step(act(observation))
                writer.append_data(environment.render())
                observation = step.observation
                ended = bool(step.terminated[0] or step.truncated[0])
                steps += 1
    except RunError:
        raise
    except Exception as error:  # each graphics driver raises its own kinds of errors
        raise RunError(_failure(path, error)) from error
    return steps + 1


def _failure(path: Path, error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    message = f"The video {path} cannot be recorded ({reason})."
    if "mujoco" in sys.modules:
        message += f" {rendering.remedy()}"
    return message
