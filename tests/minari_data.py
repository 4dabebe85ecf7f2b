"""Small Minari data sets for tests."""

import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import minari
import numpy as np
from minari.data_collector import EpisodeBuffer


def play(
    environment: gymnasium.Env, number: int, act: Callable[[Any], Any] | None = None
) -> list[EpisodeBuffer]:
    """Returns the first episodes of an environment, with random actions or with those of `act`."""
    environment.action_space.seed(0)
    act = act or (lambda _: environment.action_space.sample())
    return [_play_one(environment, seed, act) for seed in range(number)]


def _play_one(environment: gymnasium.Env, seed: int, act: Callable[[Any], Any]) -> EpisodeBuffer:
    observations = [environment.reset(seed=seed)[0]]
    steps: list[tuple] = []
    while not steps or not (steps[-1][2] or steps[-1][3]):
        action = act(observations[-1])
        observation, *result = environment.step(action)
        observations.append(observation)
        steps.append((action, *result))
    actions, rewards, terminations, truncations, _ = zip(*steps, strict=True)
    return EpisodeBuffer(
        observations=_joined(observations),
        actions=_joined(actions),
        rewards=list(rewards),
        terminations=list(terminations),
        truncations=list(truncations),
    )


def _joined(values):
    if isinstance(values[0], dict):
        return {key: _joined([one[key] for one in values]) for key in values[0]}
    return np.array(values)


def write(name: str, episodes: list[EpisodeBuffer], environment: gymnasium.Env) -> str:
    """Writes a data set with the spaces of an environment into the local store of Minari, and
    returns its id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has no author
        minari.create_dataset_from_buffers(
            name,
            episodes,
            observation_space=environment.observation_space,
            action_space=environment.action_space,
        )
    return name
