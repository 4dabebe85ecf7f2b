"""Examples for a success classifier: the observations that the steps of episodes reached."""

from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from sac_tf.replay.columns import Trajectory
from sac_tf.replay.windows import Windows
from sac_tf.types import EnvironmentSpec, Nest


def reached_observations(
    episodes: Iterable[Trajectory], spec: EnvironmentSpec, final_steps: int | None = None
) -> list[Nest]:
    """Returns the observations that steps reached, for each episode a nest of NumPy [T, ...], with
    stacks of frames as networks see them.

    Args:
      episodes: of a data set.
      spec: of the task.
      final_steps: how many steps at the end of each episode count; None: all.
    """
    windows = Windows(spec, 1.0, None, n=1, with_return_to_go=False, hindsight=None)
    found = []
    for episode in episodes:
        reached = windows.steps_of(windows.rows_of(episode)).next_observation
        if final_steps is not None:
            reached = tf.nest.map_structure(lambda leaf: leaf[-final_steps:], reached)
        found.append(reached)
    return found


def joined(episodes: Sequence[Nest]) -> Nest:
    """Returns nests of [T, ...] as one, along the first axis."""
    return tf.nest.map_structure(lambda *leaves: np.concatenate(leaves), *episodes)
