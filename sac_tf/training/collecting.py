"""Collecting: generates transitions from an environment and an acting function."""

from collections.abc import Iterator

import numpy as np

from sac_tf.environments.environment import Environment
from sac_tf.replay.transitions import to_transition
from sac_tf.types import Act, Episode, Transition


def collect(
    environment: Environment, act: Act, seed: int
) -> Iterator[tuple[Transition, list[Episode]]]:
    """Yields the E transitions of each joint step, and the episodes that ended with it, starting
    from new episodes.

    Args:
      environment: reset here with `seed`, then stepped once for each item taken.
      act: chooses the actions.
      seed: of the first episodes.
    """
    observation = environment.reset(seed)
    total_reward = np.zeros(environment.num_environments)
    length = np.zeros(environment.num_environments, int)
    while True:
        action = act(observation)
        step = environment.step(action)
        total_reward += step.reward
        length += 1
        ended = np.flatnonzero(step.terminated | step.truncated)
        episodes = [Episode(float(total_reward[i]), int(length[i]), int(i)) for i in ended]
        total_reward[ended] = 0
        length[ended] = 0
        yield to_transition(observation, action, step), episodes
        observation = step.observation
