"""Gymnasium on one side, the library's conventions on the other: float32, actions in [-1, 1], no
lost successor."""

import importlib
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf
import tree

from sac_tf.errors import ConfigurationError, RunError, require_count
from sac_tf.types import EnvironmentSpec, Nest, Step


class GymnasiumEnvironment:
    """E copies of one Gymnasium environment, stepped together and reset as they end."""

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
          ConfigurationError: unknown id, or an observation or action space that SAC cannot use.
        """
        require_count("num_environments", num_environments)
        self._environments = [_make(environment_id, render_mode) for _ in range(num_environments)]
        self._action_space = _check_action_space(environment_id, self._environments[0].action_space)
        self.spec = EnvironmentSpec(
            observation=_observation_spec(
                environment_id, self._environments[0].observation_space, ""
            ),
            action=tf.TensorSpec(
                [int(np.prod(self._action_space.shape))], tf.float32, name="action"
            ),
            action_low=self._action_space.low.reshape(-1).astype(np.float32),
            action_high=self._action_space.high.reshape(-1).astype(np.float32),
        )
        low, high = self._action_space.low, self._action_space.high
        self._center, self._half_range = (
            ((high + low) / 2, (high - low) / 2) if scale_actions else (0, 1)
        )

    @property
    def num_environments(self) -> int:
        return len(self._environments)

    def reset(self, seed: int) -> Nest:
        """Starts an episode in each environment, copy `i` seeded with `seed + i`. Returns the
        observations [E, ...]."""
        return _stack(
            [
                environment.reset(seed=seed + i)[0]
                for i, environment in enumerate(self._environments)
            ]
        )

    def step(self, action: np.ndarray) -> Step:
        """Applies `action`, [E, A], and resets where an episode ended, without a new seed."""
        scaled = self._center + self._half_range * action.reshape(-1, *self._action_space.shape)
        # Rounding can put the end of an uneven range just outside.
        scaled = np.clip(scaled, self._action_space.low, self._action_space.high).astype(
            self._action_space.dtype
        )
        results = [
            environment.step(a) for environment, a in zip(self._environments, scaled, strict=True)
        ]
        successors, rewards, terminated, truncated, _ = zip(*results, strict=True)
        observations = [
            environment.reset()[0] if ended or cut else successor
            for environment, successor, ended, cut in zip(
                self._environments, successors, terminated, truncated, strict=True
            )
        ]
        successor = _stack(successors)
        is_same = not (any(terminated) or any(truncated))
        return Step(
            reward=np.array(rewards, np.float32),
            terminated=np.array(terminated, bool),
            truncated=np.array(truncated, bool),
            successor=successor,
            observation=successor if is_same else _stack(observations),
        )

    def render(self) -> np.ndarray:
        """Returns a picture of the first environment, uint8 [height, width, 3]."""
        frame = self._environments[0].render()
        if not isinstance(frame, np.ndarray):
            raise RunError("This environment renders no rgb_array frames, so it cannot be filmed.")
        return frame

    def close(self) -> None:
        for environment in self._environments:
            environment.close()


def spec_of(environment_id: str) -> EnvironmentSpec:
    """Returns the spec of a task; raises as `GymnasiumEnvironment`."""
    environment = GymnasiumEnvironment(environment_id)
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
    if isinstance(space, gymnasium.spaces.Dict) and len(space):
        return {
            key: _observation_spec(environment_id, sub, f"{path}/{key}")
            for key, sub in space.items()
        }
    if not isinstance(space, gymnasium.spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise ConfigurationError(
            f"train.environment={environment_id!r} has the observation space {space} at "
            f"{path or '/'}; "
            "a float Box, or a Dict of them, is needed."
        )
    return tf.TensorSpec(space.shape, tf.float32, name=path.strip("/") or "observation")


def _stack(observations: Any) -> Nest:
    if isinstance(
        observations[0], np.ndarray
    ):  # the common case, without the cost of walking a nest
        return np.array(observations, np.float32)
    return tree.map_structure(lambda *leaves: np.array(leaves, np.float32), *observations)
