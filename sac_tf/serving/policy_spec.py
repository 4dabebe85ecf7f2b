"""`policy_spec.json`: describes an exported policy, its inputs, its outputs and its files."""

import dataclasses
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf

import sac_tf
from sac_tf import files
from sac_tf.environments.conversion import one_hot
from sac_tf.errors import ConfigurationError
from sac_tf.leaves import Nest, ObservationLeaf, pick
from sac_tf.types import EnvironmentSpec

FILE_NAME = "policy_spec.json"
TFLITE_FILE = "policy.tflite"

_PACKAGES = (sac_tf, tf, gymnasium, np)


@dataclasses.dataclass(frozen=True)
class PolicySpec:
    """The inputs and outputs of an exported policy, and where the policy comes from.

    Attributes:
      environment: how the task is made, as `EnvironmentFactory.as_json` describes it.
      spaces: the inputs are its observation leaves, the outputs its action leaves.
      step: environment steps of training.
      episode_return: mean undiscounted return of the evaluation at that step; None if there was no
        evaluation.
    """

    environment: Mapping[str, Any]
    spaces: EnvironmentSpec
    step: int
    episode_return: float | None

    @property
    def task(self) -> str:
        """Gymnasium id, module:id or module:function."""
        return str(self.environment["task"])

    def flatten(self, observation: Nest) -> dict[str, np.ndarray]:
        """Returns {input name: array} of observations, nest of [B, ...].

        Raises:
          ConfigurationError: an array is missing, or has another shape or dtype.
        """
        return {leaf.name: _batch(leaf, observation) for leaf in self.spaces.observation_leaves}

    def save(self, folder: Path, export_format: str) -> None:
        """Writes the file, including the sizes and checksums of the other files in `folder`."""
        versions = {package.__name__: package.__version__ for package in _PACKAGES}
        content = {
            "format": export_format,
            "environment": dict(self.environment),
            **self.spaces.as_json(),
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
            spec = cls(
                environment={"task": content["environment"]["task"], **content["environment"]},
                spaces=EnvironmentSpec.from_json(content),
                step=content["step"],
                episode_return=content["return"],
            )
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


def pick_leaf(leaf: ObservationLeaf, observation: Nest) -> Any:
    """Returns what an observation has at the path of a leaf; raises ConfigurationError if there is
    nothing, or a dict."""
    try:
        value = pick(observation, leaf.path)
    except (KeyError, IndexError, TypeError) as error:
        where = "/".join(map(str, leaf.path))
        raise ConfigurationError(
            f"The observation has no {where!r}, which the policy takes."
        ) from error
    if isinstance(value, dict):
        raise ConfigurationError(f"Observation {leaf.name!r} must be an array, not a dict.")
    return value


def one_observation(leaf: ObservationLeaf, observation: Nest) -> np.ndarray:
    """Returns the array [1, ...] of a leaf, of one observation whose numbers may have another type;
    raises ConfigurationError if the dtype of the leaf cannot hold them, or if they are other
    categories."""
    value = pick_leaf(leaf, observation)
    try:
        given = np.asarray(value)
        array = given.astype(leaf.dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise ConfigurationError(
            f"Observation {leaf.name!r} must be an array of numbers, got {value!r}."
        ) from error
    if np.dtype(leaf.dtype).kind in "iu" and (
        given.dtype.kind == "f" or not np.array_equal(array, given)
    ):
        raise ConfigurationError(
            f"Observation {leaf.name!r} must be {leaf.dtype}, got {given.dtype} that this type "
            "cannot hold; give the numbers as the task has them."
        )
    if leaf.categories and array.shape == leaf.shape:
        _require_categories(leaf, array)
    return array[np.newaxis]


def _require_categories(leaf: ObservationLeaf, array: np.ndarray) -> None:
    """Raises ConfigurationError for a category outside of its space, which would be encoded as
    none."""
    try:
        one_hot(leaf, array[np.newaxis])
    except ValueError as error:
        raise ConfigurationError(f"Observation {error}.") from error


def _batch(leaf: ObservationLeaf, observation: Nest) -> np.ndarray:
    """Returns the array [B, ...] of a leaf; raises ConfigurationError if it does not fit."""
    array = np.asarray(pick_leaf(leaf, observation))
    is_batch = array.ndim == len(leaf.shape) + 1 and array.shape[1:] == leaf.shape
    if array.dtype != leaf.dtype or not is_batch:
        wanted = ", ".join(["B", *map(str, leaf.shape)])
        raise ConfigurationError(
            f"Observation {leaf.name!r} must be {leaf.dtype} [{wanted}], got {array.dtype} "
            f"{list(array.shape)}."
        )
    return array
