"""Loads exported policies as functions from observations to actions.

Imports neither TF-Agents nor TensorFlow Probability, and nothing that trains.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.leaves import Nest, nest_of, pick
from sac_tf.serving.policy_spec import TFLITE_FILE, PolicySpec, one_observation
from sac_tf.serving.tf_agents_names import action_outputs, observation_inputs


class ExportedPolicy(NamedTuple):
    """A policy loaded from a folder: `policy(observation)` returns the action to take.

    Attributes:
      spec: its inputs, its outputs and where it comes from.
      act: observations of the task (nest of [B, ...] in its structure) -> mean actions (nest of
        [B, ...] in its structure and bounds); raises ConfigurationError for an observation of
        another structure, shape or dtype.
    """

    spec: PolicySpec
    act: Callable[[Nest], Nest]

    def __call__(self, observation: Nest) -> Nest:
        """Returns the mean action for one observation, both as the task has them.

        Raises:
          ConfigurationError: the observation has another structure or shape, or numbers that the
            task cannot have.
        """
        spaces = self.spec.spaces
        paths = [leaf.path for leaf in spaces.observation_leaves]
        arrays = [one_observation(leaf, observation) for leaf in spaces.observation_leaves]
        actions = self.act(nest_of(paths, arrays))
        leaves = spaces.action_leaves
        firsts = [np.asarray(pick(actions, leaf.path))[0, ...] for leaf in leaves]
        return nest_of([leaf.path for leaf in leaves], firsts)


class _Call(Protocol):
    """A loaded model."""

    def __call__(self, inputs: dict[str, np.ndarray], /) -> dict[str, np.ndarray]:
        """Takes {input name: array [B, ...]} and returns {output name: array [B, ...]}."""


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
    actions = spec.spaces.action_leaves

    def act(observation: Nest) -> Nest:
        outputs = call(spec.flatten(observation))
        return nest_of([leaf.path for leaf in actions], [outputs[leaf.name] for leaf in actions])

    return ExportedPolicy(spec, act)


def _open_saved_model(folder: Path, spec: PolicySpec) -> _Call:
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    leaves = signature.structured_input_signature[1]
    _require_inputs({name: leaf.shape[1:] for name, leaf in leaves.items()}, spec)

    def call(inputs: dict[str, np.ndarray], /) -> dict[str, np.ndarray]:
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        return {name: output.numpy() for name, output in signature(**tensors).items()}

    return call


def _open_tflite(folder: Path, spec: PolicySpec) -> _Call:
    runner = tf.lite.Interpreter(str(folder / TFLITE_FILE)).get_signature_runner("serving_default")
    details = runner.get_input_details()
    shapes = {name: detail["shape_signature"][1:] for name, detail in details.items()}
    _require_inputs(shapes, spec)
    return lambda inputs, /: runner(**inputs)


def _open_tf_agents(folder: Path, spec: PolicySpec) -> _Call:
    model = tf.saved_model.load(str(folder))
    signature = model.signatures["action"]
    names = observation_inputs(spec.spaces)
    outputs = action_outputs(spec.spaces)
    inputs = signature.structured_input_signature[1].values()
    given = {leaf.name: leaf.shape[1:] for leaf in inputs}
    shapes = {ours: given[theirs] for ours, theirs in names.items() if theirs in given}
    _require_inputs(shapes, spec)

    def call(inputs: dict[str, np.ndarray], /) -> dict[str, np.ndarray]:
        batch_size = len(next(iter(inputs.values())))
        step = {
            "0/step_type": tf.zeros([batch_size], tf.int32),
            "0/reward": tf.zeros([batch_size]),
            "0/discount": tf.ones([batch_size]),
        }
        observation = {names[name]: tf.constant(array) for name, array in inputs.items()}
        # Looked up in `model` at each call, because only `model` keeps the weights alive.
        found = model.signatures["action"](**step, **observation)
        return {ours: found[theirs].numpy() for ours, theirs in outputs.items()}

    return call


def _require_inputs(shapes: Mapping[str, Iterable[int]], spec: PolicySpec) -> None:
    """Raises ValueError if the inputs of a model, without the batch dimension, are not those of
    `spec`."""
    wanted = {leaf.name: leaf.shape for leaf in spec.spaces.observation_leaves}
    found = {name: tuple(map(int, shape)) for name, shape in shapes.items()}
    if found != wanted:
        raise ValueError(f"the model takes {found}, its policy_spec.json says {wanted}")


_OPENERS: dict[str, Callable[[Path, PolicySpec], _Call]] = {
    "saved_model": _open_saved_model,
    "tflite": _open_tflite,
    "tf_agents": _open_tf_agents,
}
