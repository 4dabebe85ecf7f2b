"""The border to a task's code: calls whose errors become one sentence, and checks of what they
return."""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from sac_tf.environments.conversion import ObservationReader, short
from sac_tf.errors import RunError
from sac_tf.leaves import Nest

_RESET_RESULT = "(observation, info)"
_STEP_RESULT = "(observation, reward, terminated, truncated, info)"


class Result(NamedTuple):
    """What one environment returned for one step."""

    observation: Nest
    reward: float
    terminated: bool
    truncated: bool
    info: Mapping[str, Any]

    @property
    def has_ended(self) -> bool:
        return self.terminated or self.truncated


class Border:
    """Calls one environment."""

    def __init__(self, title: str, environment: gymnasium.Env, reader: ObservationReader):
        """Takes the title of the task for messages, the environment, and what reads its
        observations."""
        self._title = title
        self._environment = environment
        self._reader = reader

    def reset(self, **arguments: Any) -> tuple[Nest, Mapping[str, Any]]:
        """Returns the first observation of an episode, and `info`.

        Raises:
          RunError: the environment raised, or returned something else.
        """
        try:
            result = self._environment.reset(**arguments)
        except Exception as error:
            raise failure(self._title, "reset", error) from error
        if not isinstance(result, tuple) or len(result) != 2:
            raise self._wrong_result("reset", result, _RESET_RESULT)
        observation = self._reader.read(result[0])
        self._reader.check_structure(result[0])
        return observation, self._info(result[1])

    def step(self, action: Any) -> Result:
        """Takes one step; raises as `reset`."""
        try:
            result = self._environment.step(action)
        except Exception as error:
            raise failure(self._title, "step", error) from error
        if not isinstance(result, tuple) or len(result) != 5:
            raise self._wrong_result("step", result, _STEP_RESULT)
        observation, reward, terminated, truncated, info = result
        return Result(
            self._reader.read(observation),
            self._one_number("reward", reward),
            bool(self._one_number("terminated", terminated)),
            bool(self._one_number("truncated", truncated)),
            self._info(info),
        )

    def _one_number(self, name: str, value: Any) -> float:
        """Returns a number as it is, and the number in an array that holds just one."""
        if isinstance(value, float | bool):
            return value
        array = np.asarray(value)
        if array.size != 1 or array.dtype.kind not in "fiub":
            raise RunError(
                f"{self._title} returned {short(value)} as {name}, where one number is needed."
            )
        return array.item()

    def _info(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise RunError(f"{self._title} returned {value!r} as info, where a dict is needed.")
        return {**value}

    def _wrong_result(self, call: str, result: Any, wanted: str) -> RunError:
        given = f"{len(result)} values" if isinstance(result, tuple) else type(result).__name__
        return RunError(f"{self._title} returned {given} from {call}(), not {wanted}.")


def close(title: str, environment: gymnasium.Env) -> None:
    """Closes an environment; an error is only a warning, since all work is done."""
    try:
        environment.close()
    except Exception as error:
        logging.warning("%s", failure(title, "close", error))


def failure(title: str, call: str, error: Exception) -> RunError:
    """Returns the error of a task as one sentence."""
    reason = " ".join(str(error).split())
    hint = ""
    # Gymnasium's own wrappers raise these for environments with the interface of the old Gym.
    if "values to unpack" in reason:
        hint = f" In Gymnasium, reset returns {_RESET_RESULT} and step {_STEP_RESULT}."
    elif isinstance(error, TypeError) and "keyword argument 'seed'" in reason:
        hint = " In Gymnasium, it is reset(self, *, seed=None, options=None)."
    return RunError(f"{title} raised {type(error).__name__} in {call}() ({reason}).{hint}")
