"""`policy_spec.json`: what stands beside an exported policy, and whether the policy fits a task."""

import dataclasses
import json
import platform
import re
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf

import sac_tf
from sac_tf import files
from sac_tf.errors import ConfigurationError
from sac_tf.types import EnvironmentSpec, Nest, leaves_of

FILE_NAME = "policy_spec.json"
SEED = "seed"
"""Name of the input that the `sample` signature has beside the observation."""

_PACKAGES = (sac_tf, tf, gymnasium, np)
_WHOLE_OBSERVATION = "observation"


@dataclasses.dataclass(frozen=True)
class ObservationLeaf:
    """One array of an observation, and the signature input that takes it.

    Attributes:
      name: of the input: the keys of the path joined with "_", or "observation" where there is no
        dict.
      path: keys that lead to the array in a nested dict; empty where the observation is the array
        itself.
      shape: without the batch dimension.
      dtype: of the input.
    """

    name: str
    path: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {list(self.shape)}"


@dataclasses.dataclass(frozen=True)
class PolicySpec:
    """What an exported policy takes and gives, and where it comes from.

    Attributes:
      task: Gymnasium id, or module:id.
      observation: the inputs, in the order of `tf.nest.flatten`.
      action_low, action_high: A bounds of each action dimension, as the task has them.
      step: environment steps of training.
      episode_return: mean undiscounted return of the evaluation at that step; None if there was
        none.
    """

    task: str
    observation: tuple[ObservationLeaf, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    step: int
    episode_return: float | None

    @classmethod
    def of(
        cls, task: str, spec: EnvironmentSpec, step: int, episode_return: float | None
    ) -> "PolicySpec":
        """Describes a policy for the environments of `spec`."""
        low, high = (tuple(map(float, bound)) for bound in (spec.action_low, spec.action_high))
        return cls(task, _leaves(spec.observation), low, high, step, episode_return)

    def require_fit(self, spec: EnvironmentSpec) -> None:
        """Raises ConfigurationError if environments with `spec` give or take something else than
        this policy."""
        for what, mine, theirs in (
            ("observations", self.observation, _leaves(spec.observation)),
            ("lower action bounds", self.action_low, tuple(map(float, spec.action_low))),
            ("upper action bounds", self.action_high, tuple(map(float, spec.action_high))),
        ):
            if mine != theirs:
                raise ConfigurationError(
                    f"The policy does not fit {self.task}: its {what} are "
                    f"({', '.join(map(str, mine))}), "
                    f"those of the environment ({', '.join(map(str, theirs))})."
                )

    def flatten(self, observation: Nest) -> dict[str, np.ndarray]:
        """Returns {input name: array} of observations, nest of [B, ...].

        Raises:
          ConfigurationError: an array is missing, or has another shape or dtype.
        """
        return {leaf.name: _pick(leaf, observation) for leaf in self.observation}

    def save(self, folder: Path, export_format: str) -> None:
        """Writes the file, which also lists the files now in `folder` with their sizes and
        checksums."""
        arrays = {"shape": [len(self.action_low)], "dtype": "float32"}
        content = {
            "format": export_format,
            "task": self.task,
            "observation": [dataclasses.asdict(leaf) for leaf in self.observation],
            "action": {
                "name": "action",
                **arrays,
                "low": self.action_low,
                "high": self.action_high,
            },
            "step": self.step,
            "return": self.episode_return,
            "versions": {"python": platform.python_version()}
            | {p.__name__: p.__version__ for p in _PACKAGES},
            "files": files.describe(folder, FILE_NAME),
        }
        (folder / FILE_NAME).write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> tuple["PolicySpec", str]:
        """Reads the file and checks the others. Returns the spec and the format.

        Raises:
          ConfigurationError: there is no exported policy in `folder`, or not all of it.
        """
        try:
            content = json.loads((folder / FILE_NAME).read_text())
            leaves = tuple(_leaf(**leaf) for leaf in content["observation"])
            low, high = (tuple(map(float, content["action"][bound])) for bound in ("low", "high"))
            spec = cls(content["task"], leaves, low, high, content["step"], content["return"])
            found, export_format = files.describe(folder, FILE_NAME), content["format"]
            damaged = sorted(
                name for name, file in content["files"].items() if found.get(name) != file
            )
        except OSError as error:
            raise ConfigurationError(
                f"{folder} holds no exported policy ({FILE_NAME}: {error.strerror})."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"{folder / FILE_NAME} is damaged; export the policy again."
            ) from error
        if damaged:
            raise ConfigurationError(
                f"{folder} is half written or damaged ({damaged[0]}); export the policy again."
            )
        return spec, export_format


def _leaves(observation: Nest) -> tuple[ObservationLeaf, ...]:
    named: list[ObservationLeaf] = []
    for path, leaf in leaves_of(observation):
        name = _input_name(path)
        while name in (SEED, *(other.name for other in named)):
            name += "_"
        named.append(_leaf(name, path, leaf.shape, leaf.dtype.name))
    return tuple(named)


def _leaf(name: str, path: Any, shape: Any, dtype: str) -> ObservationLeaf:
    return ObservationLeaf(name, tuple(path), tuple(map(int, shape)), dtype)


def _input_name(path: tuple[str, ...]) -> str:
    """A Python identifier: SavedModel signatures, TFLite and keyword arguments all keep these names
    as they are."""
    name = re.sub(r"\W", "_", "_".join(path)) or _WHOLE_OBSERVATION
    return f"_{name}" if name[0].isdigit() else name


def _pick(leaf: ObservationLeaf, observation: Nest) -> np.ndarray:
    for key in leaf.path:
        if not isinstance(observation, dict) or key not in observation:
            raise ConfigurationError(
                f"The observation has no {'/'.join(leaf.path)!r}, which the policy takes."
            )
        observation = observation[key]
    if isinstance(observation, dict):
        raise ConfigurationError(f"Observation {leaf.name!r} must be an array, not a dict.")
    array = np.asarray(observation)
    if (
        array.dtype != leaf.dtype
        or array.ndim != len(leaf.shape) + 1
        or array.shape[1:] != leaf.shape
    ):
        wanted = ", ".join(["B", *map(str, leaf.shape)])
        raise ConfigurationError(
            f"Observation {leaf.name!r} must be {leaf.dtype} [{wanted}], got {array.dtype} "
            f"{list(array.shape)}."
        )
    return array
