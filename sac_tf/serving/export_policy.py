"""Policies that leave home: a folder that serves without this library."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from sac_tf import files
from sac_tf.agents.sac.state import TrainState
from sac_tf.errors import ConfigurationError
from sac_tf.serving import policy_spec
from sac_tf.serving.policy_spec import PolicySpec
from sac_tf.serving.signatures import make_signatures
from sac_tf.types import EnvironmentSpec

TFLITE_FILE = "policy.tflite"

Writer = Callable[[TrainState, EnvironmentSpec, PolicySpec, Path], None]
"""Puts a policy into an empty folder."""


class Format(NamedTuple):
    """A kind of export: its name in `policy_spec.json`, and what writes it."""

    name: str
    write: Writer


def _write_saved_model(
    state: TrainState, spec: EnvironmentSpec, description: PolicySpec, folder: Path
) -> None:
    """Writes a SavedModel that TensorFlow alone loads, with the signatures of `make_signatures`."""
    tf.saved_model.save(
        tf.Module(), str(folder), signatures=make_signatures(state, spec, description)
    )


def _write_tflite(
    state: TrainState, spec: EnvironmentSpec, description: PolicySpec, folder: Path
) -> None:
    """Writes `policy.tflite`, with the signature `serving_default`: built-in operations only."""
    with tempfile.TemporaryDirectory() as saved_model:
        _write_saved_model(state, spec, description, Path(saved_model))
        converter = tf.lite.TFLiteConverter.from_saved_model(
            saved_model, signature_keys=["serving_default"]
        )
        (folder / TFLITE_FILE).write_bytes(converter.convert())


SAVED_MODEL = Format("saved_model", _write_saved_model)
TFLITE = Format("tflite", _write_tflite)


def export(
    state: TrainState,
    spec: EnvironmentSpec,
    description: PolicySpec,
    folder: Path,
    form: Format = SAVED_MODEL,
) -> None:
    """Exports the policy of `state` to `folder`, replacing at once the exported policy that may be
    there.

    Args:
      state: whose policy.
      spec: of the task.
      description: of the policy.
      folder: new, empty or an exported policy.
      form: `SAVED_MODEL`, `TFLITE` or `sac_tf.tf_agents.export.TF_AGENTS`.

    Raises:
      ConfigurationError: `folder` is something else.
      OSError: `folder` cannot be written; what was there before is as it was.
    """
    refuse_foreign(folder)

    def write_all(unfinished: Path) -> None:
        try:
            form.write(state, spec, description, unfinished)
        except tf.errors.OpError as error:
            raise OSError(
                error.error_code, f"TensorFlow could not write the policy: {error.message}"
            ) from error
        description.save(unfinished, form.name)

    files.replace_folder(folder, write_all)


def refuse_foreign(folder: Path) -> None:
    """Raises ConfigurationError if exporting to `folder` would delete something that is no exported
    policy."""
    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_free and not (folder / policy_spec.FILE_NAME).is_file():
        raise ConfigurationError(
            f"{folder} holds something that is no exported policy; choose another folder."
        )
