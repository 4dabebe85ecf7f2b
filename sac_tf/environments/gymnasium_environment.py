"""Gymnasium environments as an `Environment`: float32 observations, actions in [-1, 1]."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import tree

from sac_tf.environments.conversion import ActionWriter, ObservationReader
from sac_tf.environments.spaces import action_leaves, observation_leaves
from sac_tf.errors import RunError
from sac_tf.types import EnvironmentSpec, Nest, Step

_RESET_RESULT = "(observation, info)"
_STEP_RESULT = "(observation, reward, terminated, truncated, info)"


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

    def __init__(
        self,
        title: str,
        make: Callable[[], gymnasium.Env],
        num_environments: int,
        in_task_units: bool = False,
    ):
        """Makes the environments.

        Args:
          title: of the task, for messages.
          make: returns one environment.
          num_environments: E.
          in_task_units: observations keep their categories as numbers, and `step` takes actions in
            the task's own structure and bounds, nest of [E, ...], as exported policies have them.

        Raises:
          ConfigurationError: SAC cannot use the observation or action space.
        """
        self._title = title
        self._environments: list[gymnasium.Env] = []
        self._in_task_units = in_task_units
        try:
            for _ in range(num_environments):
                self._environments.append(make())
            first = self._environments[0]
            named = f"train.environment={title!r}"
            self.spec = EnvironmentSpec(
                observation_leaves(named, first.observation_space),
                action_leaves(named, first.action_space),
            )
        except BaseException:
            self.close()
            raise
        self._reader = ObservationReader(
            title, self.spec.observation_leaves, encode=not in_task_units
        )
        self._writer = ActionWriter(self.spec.action_leaves)

    @property
    def num_environments(self) -> int:
        return len(self._environments)

    @property
    def max_episode_steps(self) -> int | None:
        environment = self._environments[0]
        while isinstance(environment, gymnasium.Wrapper):
            if isinstance(environment, gymnasium.wrappers.TimeLimit):
                return environment._max_episode_steps
            environment = environment.env
        return None

    def reset(self, seed: int) -> Nest:
        """Environment `i` is seeded with `seed + i`; see `Environment`."""
        observations = [
            self._reset(environment, seed=seed + i)
            for i, environment in enumerate(self._environments)
        ]
        return _stack(observations)

    def step(self, action: Nest) -> Step:
        """A new episode starts without a new seed; see `Environment`."""
        actions = self._writer.split(action) if self._in_task_units else self._writer.write(action)
        results = [
            self._step(environment, own)
            for environment, own in zip(self._environments, actions, strict=True)
        ]
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
        frame = self._environments[0].render()
        if not isinstance(frame, np.ndarray):
            raise RunError(
                "This environment does not render rgb_array frames, so no video can be recorded."
            )
        return frame

    def close(self) -> None:
        """Closes each environment once; one that raises is reported, since all work is done."""
        while self._environments:
            try:
                self._environments.pop(0).close()
            except Exception as error:
                logging.warning("%s", self._failure("close", error))

    def _reset(self, environment: gymnasium.Env, **arguments: int) -> Nest:
        try:
            result = environment.reset(**arguments)
        except Exception as error:
            raise self._failure("reset", error) from error
        if not isinstance(result, tuple) or len(result) != 2:
            raise self._wrong_result("reset", result, _RESET_RESULT)
        observation = self._reader.read(result[0])
        self._reader.check_structure(result[0])
        return observation

    def _step(self, environment: gymnasium.Env, action: Any) -> _Result:
        try:
            result = environment.step(action)
        except Exception as error:
            raise self._failure("step", error) from error
        if not isinstance(result, tuple) or len(result) != 5:
            raise self._wrong_result("step", result, _STEP_RESULT)
        observation, reward, terminated, truncated, info = result
        return _Result(
            self._reader.read(observation),
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
                f"{self._title} returned {value!r} as {name}, where one number is needed."
            )
        return array.item()

    def _failure(self, call: str, error: Exception) -> RunError:
        reason = " ".join(str(error).split())
        hint = ""
        # Gymnasium's own wrappers raise these for environments with Gym's interface.
        if "values to unpack" in reason:
            hint = f" In Gymnasium, reset returns {_RESET_RESULT} and step {_STEP_RESULT}."
        elif isinstance(error, TypeError) and "keyword argument 'seed'" in reason:
            hint = " In Gymnasium, it is reset(self, *, seed=None, options=None)."
        return RunError(
            f"{self._title} raised {type(error).__name__} in {call}() ({reason}).{hint}"
        )

    def _wrong_result(self, call: str, result: Any, wanted: str) -> RunError:
        given = f"{len(result)} values" if isinstance(result, tuple) else type(result).__name__
        return RunError(f"{self._title} returned {given} from {call}(), not {wanted}.")


def _stack(observations: Any) -> Nest:
    if isinstance(observations[0], np.ndarray):
        return np.array(observations)
    return tree.map_structure(lambda *leaves: np.array(leaves), *observations)
