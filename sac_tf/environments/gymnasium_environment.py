"""Gymnasium environments as an `Environment`: float32 observations, actions in [-1, 1]."""

import importlib
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf
import tree

from sac_tf.environments.environment import Environment
from sac_tf.errors import ConfigurationError, RunError, require_count
from sac_tf.types import EnvironmentSpec, Nest, Step


class GymnasiumEnvironment:
    """An `Environment` of E copies of one Gymnasium environment."""

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
          render_mode: passed to Gymnasium ("rgb_array" to render frames).
          scale_actions: `step` takes actions in [-1, 1]; False: within the task's own bounds, as
            exported policies act.

        Raises:
          ConfigurationError: the id is unknown, or SAC cannot use the observation or action space.
        """
        require_count("num_environments", num_environments)
        self._environments = [_make(environment_id, render_mode) for _ in range(num_environments)]
        self._action_space = _check_action_space(environment_id, self._environments[0].action_space)
        observation_space = self._environments[0].observation_space
        low, high = self._action_space.low, self._action_space.high
        self.spec = EnvironmentSpec(
            observation=_observation_spec(environment_id, observation_space, ""),
            action=tf.TensorSpec(
                [int(np.prod(self._action_space.shape))], tf.float32, name="action"
            ),
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

    def reset(self, seed: int) -> Nest:
        """Environment `i` is seeded with `seed + i`; see `Environment`."""
        observations = [
            environment.reset(seed=seed + i)[0] for i, environment in enumerate(self._environments)
        ]
        return _stack(observations)

    def step(self, action: np.ndarray) -> Step:
        """A new episode starts without a new seed; see `Environment`."""
        results = [
            environment.step(own)
            for environment, own in zip(self._environments, self._scale(action), strict=True)
        ]
        successors, rewards, terminated, truncated, _ = zip(*results, strict=True)
        observations = [
            environment.reset()[0] if is_terminated or is_truncated else successor
            for environment, successor, is_terminated, is_truncated in zip(
                self._environments, successors, terminated, truncated, strict=True
            )
        ]
        successor = _stack(successors)
        observation = successor
        if any(terminated) or any(truncated):
            observation = _stack(observations)
        return Step(
            reward=np.array(rewards, np.float32),
            terminated=np.array(terminated, bool),
            truncated=np.array(truncated, bool),
            successor=successor,
            observation=observation,
        )

    def render(self) -> np.ndarray:
        """Needs `render_mode="rgb_array"`; see `Environment`."""
        frame = self._environments[0].render()
        if not isinstance(frame, np.ndarray):
            raise RunError(
                "This environment does not render rgb_array frames, so no video can be recorded."
            )
        return frame

    def close(self) -> None:
        for environment in self._environments:
            environment.close()

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


def _stack(observations: Any) -> Nest:
    """Returns E observations as one nest of float32 [E, ...]."""
    # Most observations are a single array, which needs no walk over a nest.
    if isinstance(observations[0], np.ndarray):
        return np.array(observations, np.float32)
    return tree.map_structure(lambda *leaves: np.array(leaves, np.float32), *observations)
