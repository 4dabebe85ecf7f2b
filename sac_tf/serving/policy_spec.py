"""`policy_spec.json`: describes an exported policy, its inputs, its outputs and its files."""

import dataclasses
import json
import platform
import re
from collections.abc import Iterable
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
TFLITE_FILE = "policy.tflite"
SEED = "seed"
"""Name of the input that the `sample` signature takes in addition to the observation."""

_PACKAGES = (sac_tf, tf, gymnasium, np)
_WHOLE_OBSERVATION = "observation"


@dataclasses.dataclass(frozen=True)
class ObservationLeaf:
    """One array of an observation, and the signature input that takes it.

    Attributes:
      name: of the input: the keys of the path joined with "_", or "observation" if the observation
        is not a dict.
      path: keys that lead to the array in a nested dict; empty if the observation is the array
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
    """The inputs and outputs of an exported policy, and where the policy comes from.

    Attributes:
      task: Gymnasium id, or module:id.
      observation: the inputs, in the order of `tf.nest.flatten`.
      action_low, action_high: bounds of the A action dimensions, in the task's own units.
      step: environment steps of training.
      episode_return: mean undiscounted return of the evaluation at that step; None if there was no
        evaluation.
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
        """Describes a policy for environments with `spec`."""
        return cls(
            task=task,
            observation=_leaves(spec.observation),
            action_low=_floats(spec.action_low),
            action_high=_floats(spec.action_high),
            step=step,
            episode_return=episode_return,
        )

    def require_fit(self, spec: EnvironmentSpec) -> None:
        """Raises ConfigurationError if the observations or action bounds of environments with
        `spec` differ from those of this policy."""
        for what, mine, theirs in (
            ("observations", self.observation, _leaves(spec.observation)),
            ("lower action bounds", self.action_low, _floats(spec.action_low)),
            ("upper action bounds", self.action_high, _floats(spec.action_high)),
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
        """Writes the file, including the sizes and checksums of the other files in `folder`."""
        versions = {package.__name__: package.__version__ for package in _PACKAGES}
        content = {
            "format": export_format,
            "task": self.task,
            "observation": [dataclasses.asdict(leaf) for leaf in self.observation],
            "action": {
                "name": "action",
                "shape": [len(self.action_low)],
                "dtype": "float32",
                "low": self.action_low,
                "high": self.action_high,
            },
            "step": self.step,
            "return": self.episode_return,
            "versions": {"python": platform.python_version(), **versions},
            "files": files.describe(folder, FILE_NAME),
        }
        (folder / FILE_NAME).write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> tuple["PolicySpec", str]:
        """Reads the file and checks the other files. Returns the spec and the format's name.

        Raises:
          ConfigurationError: `folder` holds no exported policy, or an incomplete one.
        """
        try:
            content = json.loads((folder / FILE_NAME).read_text())
            spec = cls._from_json(content)
            export_format = content["format"]
            found = files.describe(folder, FILE_NAME)
            recorded = content["files"].items()
            damaged = sorted(name for name, file in recorded if found.get(name) != file)
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

    @classmethod
    def _from_json(cls, content: Any) -> "PolicySpec":
        return cls(
            task=content["task"],
            observation=tuple(_leaf(**leaf) for leaf in content["observation"]),
            action_low=_floats(content["action"]["low"]),
            action_high=_floats(content["action"]["high"]),
            step=content["step"],
            episode_return=content["return"],
        )


def _floats(values: Iterable[Any]) -> tuple[float, ...]:
    return tuple(map(float, values))


def _leaves(observation: Nest) -> tuple[ObservationLeaf, ...]:
    """Returns the inputs for a nest of `tf.TensorSpec`, with different names."""
    named: list[ObservationLeaf] = []
    for path, leaf in leaves_of(observation):
        name = _input_name(path)
        while name in (SEED, *(other.name for other in named)):
            name += "_"
        named.append(_leaf(name=name, path=path, shape=leaf.shape, dtype=leaf.dtype.name))
    return tuple(named)


def _leaf(name: str, path: Any, shape: Any, dtype: str) -> ObservationLeaf:
    """Returns an input; `path` and `shape` may be sequences of any type, as JSON has lists."""
    return ObservationLeaf(name=name, path=tuple(path), shape=tuple(map(int, shape)), dtype=dtype)


def _input_name(path: tuple[str, ...]) -> str:
    """Returns a Python identifier, because SavedModel signatures, TFLite and keyword arguments all
    keep such names unchanged."""
    name = re.sub(r"\W", "_", "_".join(path)) or _WHOLE_OBSERVATION
    return f"_{name}" if name[0].isdigit() else name


def _pick(leaf: ObservationLeaf, observation: Nest) -> np.ndarray:
    """Returns the array of a leaf; raises ConfigurationError if it is missing or does not fit."""
    for key in leaf.path:
        if not isinstance(observation, dict) or key not in observation:
            raise ConfigurationError(
                f"The observation has no {'/'.join(leaf.path)!r}, which the policy takes."
            )
        observation = observation[key]
    if isinstance(observation, dict):
        raise ConfigurationError(f"Observation {leaf.name!r} must be an array, not a dict.")
    array = np.asarray(observation)
    is_batch = array.ndim == len(leaf.shape) + 1 and array.shape[1:] == leaf.shape
    if array.dtype != leaf.dtype or not is_batch:
        wanted = ", ".join(["B", *map(str, leaf.shape)])
        raise ConfigurationError(
            f"Observation {leaf.name!r} must be {leaf.dtype} [{wanted}], got {array.dtype} "
            f"{list(array.shape)}."
        )
    return array
