"""Gymnasium environments as an `Environment`: float32 observations, actions in [-1, 1]."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import tensorflow as tf
import tree

from sac_tf.environments.environment import Environment
from sac_tf.errors import ConfigurationError, RunError, require_count
from sac_tf.types import EnvironmentSpec, Nest, Step

_FRAMES_PER_SECOND = 30.0
"""Of videos, where a task has no frame rate."""


class _Result(NamedTuple):
    """What one environment returned for one step."""

    successor: Nest
    reward: float
    terminated: bool
    truncated: bool
    info: Mapping[str, Any]

    @property
    def has_ended(self) -> bool:
        return self.terminated or self.truncated


class GymnasiumEnvironment:
    """An `Environment` of E copies of one Gymnasium environment."""

    _last_frame: np.ndarray | None = None

    def __init__(
        self,
        environment_id: str,
        num_environments: int = 1,
        render_mode: str | None = None,
        scale_actions: bool = True,
    ):
        """Makes the environments.

        Args:
          environment_id: a registered id, or `module:id` for an id that importing `module`
            registers.
          num_environments: E.
          render_mode: passed to Gymnasium ("rgb_array" to render frames); None passes none, for
            tasks that take no such argument.
          scale_actions: `step` takes actions in [-1, 1]; False: within the task's own bounds, as
            exported policies act.

        Raises:
          ConfigurationError: the id is unknown, or SAC cannot use the observation or action space.
        """
        require_count("num_environments", num_environments)
        self._environment_id = environment_id
        self._renders = render_mode is not None
        self._environments = [_make(environment_id, render_mode) for _ in range(num_environments)]
        self._action_space = _check_action_space(environment_id, self._environments[0].action_space)
        observation_space = self._environments[0].observation_space
        low = self._action_space.low
        high = self._action_space.high
        self.spec = EnvironmentSpec(
            observation=_observation_spec(environment_id, observation_space, ""),
            action=tf.TensorSpec([low.size], tf.float32, name="action"),
            action_low=low.reshape(-1).astype(np.float32),
            action_high=high.reshape(-1).astype(np.float32),
        )
        self._center: np.ndarray | int = 0
        self._half_range: np.ndarray | int = 1
        if scale_actions:
            self._center = (high + low) / 2
            self._half_range = (high - low) / 2

    @property
    def num_environments(self) -> int:
        return len(self._environments)

    @property
    def max_episode_steps(self) -> int | None:
        spec = self._environments[0].spec
        return None if spec is None else spec.max_episode_steps

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
        observations = [
            self._reset(environment, seed=seed + i)
            for i, environment in enumerate(self._environments)
        ]
        return _stack(observations)

    def step(self, action: np.ndarray) -> Step:
        """A new episode starts without a new seed; see `Environment`."""
        results = [
            self._step(environment, own)
            for environment, own in zip(self._environments, self._scale(action), strict=True)
        ]
        self._last_frame = None
        if self._renders and results[0].has_ended:
            self._last_frame = self.render()
        successors, rewards, terminated, truncated, infos = zip(*results, strict=True)
        successor = _stack(successors)
        observation = successor
        if any(result.has_ended for result in results):
            observations = [
                self._reset(environment) if result.has_ended else result.successor
                for environment, result in zip(self._environments, results, strict=True)
            ]
            observation = _stack(observations)
        return Step(
            reward=np.array(rewards, np.float32),
            terminated=np.array(terminated, bool),
            truncated=np.array(truncated, bool),
            successor=successor,
            observation=observation,
            info=infos,
        )

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
        for environment in self._environments:
            environment.close()

    def _reset(self, environment: gymnasium.Env, **arguments: int) -> Nest:
        try:
            observation, _ = environment.reset(**arguments)
        except Exception as error:
            raise self._failure("reset", error) from error
        return _copy(observation)

    def _step(self, environment: gymnasium.Env, action: np.ndarray) -> _Result:
        try:
            observation, reward, terminated, truncated, info = environment.step(action)
        except Exception as error:
            raise self._failure("step", error) from error
        return _Result(
            _copy(observation),
            self._one_number("reward", reward),
            bool(self._one_number("terminated", terminated)),
            bool(self._one_number("truncated", truncated)),
            dict(info),
        )

    def _one_number(self, name: str, value: Any) -> float:
        """Returns a number as it is, and the number in an array that holds just one."""
        if isinstance(value, float | bool):
            return value
        array = np.asarray(value)
        if array.size != 1 or array.dtype.kind not in "fiub":
            raise RunError(
                f"{self._environment_id} returned {value!r} as {name}, where one number is needed."
            )
        return array.item()

    def _failure(self, call: str, error: Exception) -> RunError:
        reason = " ".join(str(error).split())
        return RunError(
            f"{self._environment_id} raised {type(error).__name__} in {call}() ({reason})."
        )

    def _scale(self, action: np.ndarray) -> np.ndarray:
        """Returns actions [E, A] within the task's own bounds, [E, *shape of its action]."""
        space = self._action_space
        scaled = self._center + self._half_range * action.reshape(-1, *space.shape)
        # Rounding can put an end of an uneven range just outside of it.
        return np.clip(scaled, space.low, space.high).astype(space.dtype)


def spec_of(environment_id: str) -> EnvironmentSpec:
    """Returns the spec of a task; raises as `GymnasiumEnvironment` does."""
    environment: Environment = GymnasiumEnvironment(environment_id)
    environment.close()
    return environment.spec


def _make(environment_id: str, render_mode: str | None) -> gymnasium.Env:
    module, separator, _ = environment_id.partition(":")
    try:
        if separator:
            importlib.import_module(module)
        if render_mode is None:
            return gymnasium.make(environment_id)
        return gymnasium.make(environment_id, render_mode=render_mode)
    except (gymnasium.error.Error, ImportError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(
            f"train.environment={environment_id!r} cannot be made by Gymnasium ({reason}). "
            "Give a registered id, or module:id if importing a module registers it."
        ) from error


def _check_action_space(environment_id: str, space: gymnasium.Space) -> gymnasium.spaces.Box:
    """Returns `space` if it is a bounded float Box; raises ConfigurationError otherwise."""
    if not isinstance(space, gymnasium.spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise ConfigurationError(
            f"train.environment={environment_id!r} has the action space {space}; "
            "Soft Actor-Critic needs continuous actions (a float Box)."
        )
    if not space.is_bounded():
        raise ConfigurationError(
            f"train.environment={environment_id!r} has the unbounded action space {space}; "
            "wrap it in gymnasium.wrappers.ClipAction or RescaleAction with finite bounds."
        )
    return space


def _observation_spec(environment_id: str, space: Any, path: str) -> Nest:
    """Returns a nest of `tf.TensorSpec` for a float Box or a Dict of them; raises
    ConfigurationError otherwise."""
    if isinstance(space, gymnasium.spaces.Dict) and len(space):
        return {
            key: _observation_spec(environment_id, sub, f"{path}/{key}")
            for key, sub in space.items()
        }
    if not isinstance(space, gymnasium.spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise ConfigurationError(
            f"train.environment={environment_id!r} has the observation space {space} at "
            f"{path or '/'}; it must be a float Box, or a Dict of them."
        )
    return tf.TensorSpec(space.shape, tf.float32, name=path.strip("/") or "observation")


def _side_by_side(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Joins images, uint8 [height, width, 3] each, at the height of the highest one."""
    height = max(len(frame) for frame in frames)
    padded = [np.pad(frame, ((0, height - len(frame)), (0, 0), (0, 0))) for frame in frames]
    return np.concatenate(padded, axis=1)


def _copy(observation: Any) -> Nest:
    """Returns an observation in float32 that the environment's next call cannot change."""
    if isinstance(observation, np.ndarray):  # the common case, without walking a nest
        return np.array(observation, np.float32)
    return tree.map_structure(lambda leaf: np.array(leaf, np.float32), observation)


def _stack(observations: Any) -> Nest:
    if isinstance(observations[0], np.ndarray):
        return np.array(observations)
    return tree.map_structure(lambda *leaves: np.array(leaves), *observations)
