"""Gymnasium environments as an `Environment`: float32 observations, actions in [-1, 1]."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import tree

from sac_tf.environments import border
from sac_tf.environments.border import Border, Result
from sac_tf.environments.conversion import ActionWriter, ObservationReader, one_action
from sac_tf.environments.environment import INTERVENE_ACTION
from sac_tf.environments.goals import Goals
from sac_tf.environments.spaces import action_leaves, observation_leaves
from sac_tf.errors import RunError
from sac_tf.types import EnvironmentSpec, Nest, Step

_FRAMES_PER_SECOND = 30.0
"""Of videos, where a task has no frame rate."""


class GymnasiumEnvironment:
    """An `Environment` of E copies of one Gymnasium environment."""

    _last_frame: np.ndarray | None = None
    _failed_reset: RunError | None = None

    def __init__(
        self,
        title: str,
        make: Callable[[], gymnasium.Env],
        num_environments: int,
        frames: int = 1,
        renders: bool = False,
        in_task_units: bool = False,
    ):
        """Makes the environments.

        Args:
          title: of the task, for messages.
          make: returns one environment.
          num_environments: E.
          frames: how many observations each one joins.
          renders: whether the environments render images.
          in_task_units: observations keep their categories as numbers, and `step` takes actions in
            the task's own structure and bounds, nest of [E, ...], as exported policies do.

        Raises:
          ConfigurationError: SAC cannot use the observation or action space.
        """
        self._title = title
        self._environments: list[gymnasium.Env] = []
        self._renders = renders
        self._in_task_units = in_task_units
        try:
            for _ in range(num_environments):
                self._environments.append(make())
            self.spec = _spec(title, self._environments[0], frames)
        except BaseException:
            self.close()
            raise
        reader = ObservationReader(title, self.spec.observation_leaves, encode=not in_task_units)
        self._borders = [Border(title, one, reader) for one in self._environments]
        self._writer = ActionWriter(self.spec.action_leaves)

    @property
    def num_environments(self) -> int:
        return len(self._environments)

    @property
    def max_episode_steps(self) -> int | None:
        return time_limit(self._environments[0])

    @property
    def goals(self) -> Goals:
        """Of the first environment."""
        return Goals(self._title, lambda: self._environments[0])

    @property
    def frames_per_second(self) -> float:
        """The task's `render_fps`, or else one frame for each `dt` seconds of MuJoCo, or else
        30."""
        environment = self._environments[0]
        rate = (environment.metadata or {}).get("render_fps")
        if not rate:
            seconds = getattr(environment.unwrapped, "dt", None)
            rate = 1 / seconds if isinstance(seconds, float) and seconds > 0 else None
        return float(rate or _FRAMES_PER_SECOND)

    def reset(self, seed: int) -> Nest:
        """Environment `i` is seeded with `seed + i`; see `Environment`."""
        self._failed_reset = None
        return _stack([one.reset(seed=seed + i)[0] for i, one in enumerate(self._borders)])

    def step(self, action: Nest) -> Step:
        """A new episode starts without a new seed; see `Environment`.

        The error of its reset is raised by the next step: this one has the end of an episode.
        """
        if self._failed_reset is not None:
            raise self._failed_reset
        actions = self._writer.split(action) if self._in_task_units else self._writer.write(action)
        results = [one.step(own) for one, own in zip(self._borders, actions, strict=True)]
        self._last_frame = None
        if self._renders and results[0].has_ended:
            self._last_frame = self.render()
        successors, rewards, terminated, truncated, infos = zip(*results, strict=True)
        successor = _stack(successors)
        observation = successor
        if any(result.has_ended for result in results):
            observations = [
                self._next(one, result) for one, result in zip(self._borders, results, strict=True)
            ]
            observation = _stack(observations)
        return Step(
            reward=np.array(rewards, np.float32),
            terminated=np.array(terminated, bool),
            truncated=np.array(truncated, bool),
            successor=successor,
            observation=observation,
            info=infos,
            interventions=self._interventions(infos),
        )

    def _interventions(self, infos: Sequence[Mapping[str, Any]]) -> dict[int, np.ndarray]:
        """Returns {environment: action [A] in [-1, 1]} of those in which somebody took over."""
        source = f"{self._title} returned info[{INTERVENE_ACTION!r}] ="
        found = {}
        for i, info in enumerate(infos):
            action = info.get(INTERVENE_ACTION)
            if action is not None:
                nest = one_action(source, action, self.spec.action_leaves)
                found[i] = self._writer.read(nest)[0]
        return found

    def _next(self, environment: Border, result: Result) -> Nest:
        """Returns the observation to act on next, after a step with this result."""
        if not result.has_ended:
            return result.observation
        try:
            return environment.reset()[0]
        except RunError as error:
            self._failed_reset = error
            return result.observation  # nobody acts on it

    def render(self) -> np.ndarray:
        """Needs `render_mode="rgb_array"`; see `Environment`."""
        if self._last_frame is not None:
            return self._last_frame
        frame: Any = self._environments[0].render()
        frames = frame if isinstance(frame, list | tuple) else [frame]
        if not frames or not all(isinstance(one, np.ndarray) for one in frames):
            raise RunError(
                "This environment does not render rgb_array frames, so no video can be recorded."
            )
        return _side_by_side(frames)

    def close(self) -> None:
        """Closes each environment once; one that raises is reported, since all work is done."""
        while self._environments:
            border.close(self._title, self._environments.pop(0))


def _spec(title: str, environment: gymnasium.Env, frames: int) -> EnvironmentSpec:
    named = f"train.environment={title!r}"
    leaves = observation_leaves(named, environment.observation_space)
    return EnvironmentSpec(
        tuple(leaf._replace(frames=frames) for leaf in leaves),
        action_leaves(named, environment.action_space),
    )


def _side_by_side(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Joins images, uint8 [height, width, 3] each, at the height of the highest one."""
    height = max(len(frame) for frame in frames)
    padded = [np.pad(frame, ((0, height - len(frame)), (0, 0), (0, 0))) for frame in frames]
    return np.concatenate(padded, axis=1)


def _stack(observations: Any) -> Nest:
    if isinstance(observations[0], np.ndarray):
        return np.array(observations)
    return tree.map_structure(lambda *leaves: np.array(leaves), *observations)


def time_limit(environment: gymnasium.Env) -> int | None:
    """Returns the smallest time limit of the wrappers of an environment; None without one."""
    limits = []
    while isinstance(environment, gymnasium.Wrapper):
        if isinstance(environment, gymnasium.wrappers.TimeLimit):
            limits.append(environment._max_episode_steps)
        environment = environment.env
    return min(limits, default=None)
