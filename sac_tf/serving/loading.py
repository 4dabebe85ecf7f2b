"""Loads exported policies as functions from observations to actions.

Imports neither TF-Agents nor TensorFlow Probability, and nothing that trains.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment
from sac_tf.errors import ConfigurationError
from sac_tf.serving.policy_spec import TFLITE_FILE, PolicySpec
from sac_tf.types import Act


class ExportedPolicy(NamedTuple):
    """A policy loaded from a folder.

    Attributes:
      spec: its inputs, its outputs and where it comes from.
      act: observations (nest of float32 [B, ...]) -> mean actions [B, A] within the bounds of the
        task; raises ConfigurationError for an observation of another structure, shape or dtype.
    """

    spec: PolicySpec
    act: Act


class _Call(Protocol):
    """A loaded model."""

    def __call__(self, inputs: dict[str, np.ndarray], /) -> np.ndarray:
        """Takes {input name: array [B, ...]} and returns mean actions [B, A]."""


def load(folder: Path) -> ExportedPolicy:
    """Loads a policy that `export` wrote, in any format.

    Raises:
      ConfigurationError: `folder` holds no exported policy or an incomplete one, or the model and
        its `policy_spec.json` disagree.
    """
    spec, export_format = PolicySpec.load(folder)
    if export_format not in _OPENERS:
        raise ConfigurationError(
            f"{folder} has the format {export_format!r}, not one of {', '.join(_OPENERS)}."
        )
    try:
        call = _OPENERS[export_format](folder, spec)
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(f"{folder} cannot be loaded ({reason}).") from error
    return ExportedPolicy(spec, lambda observation: call(spec.flatten(observation)))


def require_fit(policy: ExportedPolicy) -> None:
    """Raises ConfigurationError if the policy's task is not available on this machine, or has other
    observations or action bounds."""
    try:
        environment = GymnasiumEnvironment(policy.spec.task)
    except ConfigurationError as error:
        raise ConfigurationError(f"The task of the policy is not available: {error}") from error
    environment.close()
    policy.spec.require_fit(environment.spec)


def _open_saved_model(folder: Path, spec: PolicySpec) -> _Call:
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    leaves = signature.structured_input_signature[1]
    _require_inputs({name: leaf.shape[1:] for name, leaf in leaves.items()}, spec)

    def call(inputs: dict[str, np.ndarray], /) -> np.ndarray:
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        return signature(**tensors)["action"].numpy()

    return call


def _open_tflite(folder: Path, spec: PolicySpec) -> _Call:
    runner = tf.lite.Interpreter(str(folder / TFLITE_FILE)).get_signature_runner("serving_default")
    details = runner.get_input_details()
    shapes = {name: detail["shape_signature"][1:] for name, detail in details.items()}
    _require_inputs(shapes, spec)
    return lambda inputs, /: runner(**inputs)["action"]


def _open_tf_agents(folder: Path, spec: PolicySpec) -> _Call:
    model = tf.saved_model.load(str(folder))
    signature = model.signatures["action"]
    # TF-Agents names an input 0/observation, followed by the keys of a nested observation.
    names = {leaf.name: "/".join(["0/observation", *leaf.path]) for leaf in spec.observation}
    inputs = signature.structured_input_signature[1].values()
    given = {leaf.name: leaf.shape[1:] for leaf in inputs}
    shapes = {ours: given[theirs] for ours, theirs in names.items() if theirs in given}
    _require_inputs(shapes, spec)

    def call(inputs: dict[str, np.ndarray], /) -> np.ndarray:
        batch_size = len(next(iter(inputs.values())))
        step = {
            "0/step_type": tf.zeros([batch_size], tf.int32),
            "0/reward": tf.zeros([batch_size]),
            "0/discount": tf.ones([batch_size]),
        }
        observation = {names[name]: tf.constant(array) for name, array in inputs.items()}
        # Looked up in `model` at each call, because only `model` keeps the weights alive.
        return model.signatures["action"](**step, **observation)["action"].numpy()

    return call


def _require_inputs(shapes: Mapping[str, Iterable[int]], spec: PolicySpec) -> None:
    """Raises ValueError if the inputs of a model, without the batch dimension, are not those of
    `spec`."""
    wanted = {leaf.name: leaf.shape for leaf in spec.observation}
    found = {name: tuple(map(int, shape)) for name, shape in shapes.items()}
    if found != wanted:
        raise ValueError(f"the model takes {found}, its policy_spec.json says {wanted}")


_OPENERS: dict[str, Callable[[Path, PolicySpec], _Call]] = {
    "saved_model": _open_saved_model,
    "tflite": _open_tflite,
    "tf_agents": _open_tf_agents,
}
