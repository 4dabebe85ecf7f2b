"""Exports policies that can be served without this library, as SavedModel or TFLite."""

import tempfile
from pathlib import Path
from typing import NamedTuple, Protocol

import tensorflow as tf

from sac_tf import files
from sac_tf.errors import ConfigurationError
from sac_tf.serving import policy_spec
from sac_tf.serving.policy_spec import TFLITE_FILE, PolicySpec
from sac_tf.serving.signatures import Servable, make_signatures


class Writer(Protocol):
    """Writes a policy in one format."""

    def __call__(self, policy: Servable, description: PolicySpec, folder: Path) -> None:
        """Writes the policy.

        Args:
          policy: is written.
          description: of the policy; names the inputs and outputs.
          folder: exists and is empty.

        Raises:
          ConfigurationError: the format cannot represent the policy.
          OSError, tf.errors.OpError: `folder` cannot be written.
        """


class Format(NamedTuple):
    """An export format.

    Attributes:
      name: the format's name in `policy_spec.json`.
      write: writes a policy in this format.
    """

    name: str
    write: Writer


def _write_saved_model(policy: Servable, description: PolicySpec, folder: Path) -> None:
    """`Writer` of a SavedModel with the signatures of `make_signatures`; TensorFlow alone loads
    it."""
    signatures = make_signatures(policy, description.spaces)
    tf.saved_model.save(tf.Module(), str(folder), signatures=signatures)


def _write_tflite(policy: Servable, description: PolicySpec, folder: Path) -> None:
    """`Writer` of `policy.tflite` with the signature `serving_default` and built-in operations
    only."""
    with tempfile.TemporaryDirectory() as saved_model:
        _write_saved_model(policy, description, folder=Path(saved_model))
        converter = tf.lite.TFLiteConverter.from_saved_model(
            saved_model, signature_keys=["serving_default"]
        )
        (folder / TFLITE_FILE).write_bytes(converter.convert())


SAVED_MODEL = Format("saved_model", _write_saved_model)
TFLITE = Format("tflite", _write_tflite)


def export(
    policy: Servable,
    description: PolicySpec,
    folder: Path,
    form: Format = SAVED_MODEL,
) -> None:
    """Exports `policy` to `folder`; atomically replaces an exported policy there.

    Args:
      policy: is written.
      description: of the policy.
      folder: a new or empty folder, or an exported policy.
      form: `SAVED_MODEL`, `TFLITE` or `sac_tf.tf_agents.export.TF_AGENTS`.

    Raises:
      ConfigurationError: `folder` is something else, or TensorFlow could not load from it.
      OSError: `folder` cannot be written; its previous content is unchanged.
    """
    refuse_foreign(folder)
    if form is not TFLITE:
        files.refuse_pattern(folder)

    def write_all(unfinished: Path) -> None:
        try:
            form.write(policy, description, folder=unfinished)
        except tf.errors.OpError as error:
            raise OSError(
                error.error_code, f"TensorFlow could not write the policy: {error.message}"
            ) from error
        description.save(unfinished, form.name)

    files.replace_folder(folder, write_all)


def refuse_foreign(folder: Path) -> None:
    """Raises ConfigurationError if exporting to `folder` would delete anything other than an
    exported policy."""
    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_free and not (folder / policy_spec.FILE_NAME).is_file():
        raise ConfigurationError(
            f"{folder} exists and holds no exported policy; choose another folder."
        )
