"""The border between a Gymnasium environment and TF-Agents: calls whose errors are one sentence,
checks and copies of what they return."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from tf_agents.specs import array_spec

from sac_tf.errors import RunError
from sac_tf.types import Nest

_LONGEST = 200
"""Characters of a value or a message that are printed."""


class Border:
    """Calls an environment, and returns what it gives in the structure and types of a spec.

    Arrays are copies: an environment may write into what it returned before.
    """

    def __init__(self, environment: gymnasium.Env, observation_spec: Nest):
        """Takes the environment and the nest of array specs of its observations."""
        self._environment = environment
        self._spec = observation_spec
        made_by = environment.spec
        self._title = type(environment.unwrapped).__name__ if made_by is None else made_by.id

    def reset(self, seed: int | None) -> tuple[Nest, dict[str, Any]]:
        """Returns the first observation and `info`.

        Raises:
          RunError: the environment raised, or returned something else.
        """
        try:
            returned = self._environment.reset(seed=seed)
        except Exception as error:
            raise self._failure("reset(seed=...)", error) from error
        observation, info = self._values("reset", returned, ("observation", "info"))
        return self._read(self._spec, observation, "observation"), dict(info)

    def step(self, action: Any) -> tuple[Nest, np.float32, bool, bool, dict[str, Any]]:
        """Returns observation, reward, terminated, truncated and `info`; raises as `reset`."""
        try:
            returned = self._environment.step(action)
        except Exception as error:
            raise self._failure("step", error) from error
        names = ("observation", "reward", "terminated", "truncated", "info")
        observation, reward, terminated, truncated, info = self._values("step", returned, names)
        return (
            self._read(self._spec, observation, "observation"),
            np.float32(self._number("reward", reward)),
            bool(self._number("terminated", terminated)),
            bool(self._number("truncated", truncated)),
            dict(info),
        )

    def _failure(self, call: str, error: Exception) -> RunError:
        return RunError(f"{self._title} raised {type(error).__name__} in {call} ({_short(error)}).")

    def _values(self, call: str, returned: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
        if isinstance(returned, tuple) and len(returned) == len(names):
            return returned
        number = f"{len(returned)} values" if isinstance(returned, tuple) else "one value"
        raise RunError(
            f"{self._title} returned {number} from {call}, where Gymnasium needs "
            f"{', '.join(names)}; wrap a task of the old Gym, in "
            "shimmy.GymV21CompatibilityV0 for example."
        )

    def _number(self, name: str, value: Any) -> float:
        """Returns the number in `value`, which may be an array that holds just one."""
        array = np.asarray(value)
        if array.size != 1 or array.dtype.kind not in "fiub":
            raise RunError(
                f"{self._title} returned {_short(repr(value))} as {name}, where one number is "
                "needed."
            )
        return array.item()

    def _read(self, spec: Nest, value: Any, path: str) -> Nest:
        """Returns `value` as copies with the dtypes of `spec`."""
        if isinstance(spec, Mapping):
            keys = sorted(value) if isinstance(value, Mapping) else _short(repr(value))
            if keys != sorted(spec):
                raise RunError(
                    f"{self._title} returned {path} with the keys {keys}; its observation_space "
                    f"has {sorted(spec)}."
                )
            return {key: self._read(sub, value[key], f"{path}/{key}") for key, sub in spec.items()}
        if isinstance(spec, tuple):
            if not isinstance(value, tuple | list) or len(value) != len(spec):
                raise RunError(
                    f"{self._title} returned {_short(repr(value))} as {path}; its "
                    f"observation_space has {len(spec)} parts."
                )
            pairs = enumerate(zip(spec, value, strict=True))
            return tuple(self._read(sub, part, f"{path}/{i}") for i, (sub, part) in pairs)
        return self._read_array(spec, value, path)

    def _read_array(self, spec: array_spec.ArraySpec, value: Any, path: str) -> np.ndarray:
        try:
            array = np.array(value, spec.dtype)
        except (TypeError, ValueError) as error:
            raise RunError(
                f"{self._title} returned {_short(repr(value))} as {path}, where numbers of the "
                f"shape {spec.shape} are needed."
            ) from error
        if array.shape != spec.shape:
            raise RunError(
                f"{self._title} returned {path} with the shape {array.shape}; its "
                f"observation_space has {spec.shape}."
            )
        return array


def _short(value: object) -> str:
    return " ".join(str(value).split())[:_LONGEST]
