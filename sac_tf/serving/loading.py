"""Exported policies, back as functions."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment
from sac_tf.errors import ConfigurationError
from sac_tf.serving.export_policy import TFLITE_FILE
from sac_tf.serving.policy_spec import PolicySpec
from sac_tf.types import Act

_Call = Callable[[dict[str, np.ndarray]], np.ndarray]
"""{input name: array [B, ...]} -> actions [B, A]."""


class ExportedPolicy(NamedTuple):
    """A policy read from a folder.

    Attributes:
      spec: what it takes and gives, and where it comes from.
      act: observations (nest of float32 [B, ...]) -> mean actions [B, A] within the bounds of the
        task; raises ConfigurationError for an observation of another structure, shape or dtype.
    """

    spec: PolicySpec
    act: Act


def load(folder: Path) -> ExportedPolicy:
    """Reads what `export` wrote, whatever the format. Needs neither TF-Agents nor TensorFlow
    Probability.

    Raises:
      ConfigurationError: there is no exported policy in `folder`, not all of it, or its parts do
        not belong together.
    """
    spec, export_format = PolicySpec.load(folder)
    if export_format not in _OPENERS:
        raise ConfigurationError(
            f"{folder} has the format {export_format!r}, which is none of {', '.join(_OPENERS)}."
        )
    try:
        call = _OPENERS[export_format](folder, spec)
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        raise ConfigurationError(
            f"{folder} cannot be loaded ({str(error).splitlines()[0]})."
        ) from error
    return ExportedPolicy(spec, lambda observation: call(spec.flatten(observation)))


def require_fit(policy: ExportedPolicy) -> None:
    """Raises ConfigurationError if this machine's environment for the policy's task is missing, or
    is another."""
    try:
        environment = GymnasiumEnvironment(policy.spec.task)
    except ConfigurationError as error:
        raise ConfigurationError(f"The task of the policy is not here: {error}") from error
    environment.close()
    policy.spec.require_fit(environment.spec)


def _open_saved_model(folder: Path, spec: PolicySpec) -> _Call:
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    shapes = {
        name: tuple(leaf.shape[1:])
        for name, leaf in signature.structured_input_signature[1].items()
    }
    _require_inputs(shapes, spec)
    return lambda inputs: signature(**{name: tf.constant(x) for name, x in inputs.items()})[
        "action"
    ].numpy()


def _open_tflite(folder: Path, spec: PolicySpec) -> _Call:
    runner = tf.lite.Interpreter(str(folder / TFLITE_FILE)).get_signature_runner("serving_default")
    details = runner.get_input_details()
    _require_inputs(
        {name: tuple(detail["shape_signature"][1:]) for name, detail in details.items()}, spec
    )
    return lambda inputs: runner(**inputs)["action"]


def _open_tf_agents(folder: Path, spec: PolicySpec) -> _Call:
    model = tf.saved_model.load(str(folder))
    # TF-Agents' names: 0/observation, and the keys that lead to an array in a nested observation.
    names = {leaf.name: "/".join(["0/observation", *leaf.path]) for leaf in spec.observation}
    inputs = model.signatures["action"].structured_input_signature[1].values()
    given = {leaf.name: tuple(leaf.shape[1:]) for leaf in inputs}
    _require_inputs(
        {ours: given[theirs] for ours, theirs in names.items() if theirs in given}, spec
    )

    def call(inputs: dict[str, np.ndarray]) -> np.ndarray:
        rows = len(next(iter(inputs.values())))
        step = {
            "0/step_type": tf.zeros([rows], tf.int32),
            "0/reward": tf.zeros([rows]),
            "0/discount": tf.ones([rows]),
        }
        observation = {names[name]: tf.constant(array) for name, array in inputs.items()}
        return model.signatures["action"](**step, **observation)[
            "action"
        ].numpy()  # `model` keeps the weights alive

    return call


def _require_inputs(shapes: dict[str, tuple[int, ...]], spec: PolicySpec) -> None:
    wanted = {leaf.name: leaf.shape for leaf in spec.observation}
    shapes = {name: tuple(map(int, shape)) for name, shape in shapes.items()}
    if shapes != wanted:
        raise ValueError(f"the model takes {shapes}, its policy_spec.json says {wanted}")


_OPENERS: dict[str, Callable[[Path, PolicySpec], _Call]] = {
    "saved_model": _open_saved_model,
    "tflite": _open_tflite,
    "tf_agents": _open_tf_agents,
}
