"""`load_policy`: a policy that acts, from the folder of a run or of an exported policy."""

import tempfile
from pathlib import Path

from sac_tf import files
from sac_tf.errors import ConfigurationError
from sac_tf.pinned.gin_bindings import separate_settings
from sac_tf.runs import folder, gin_files, restoring
from sac_tf.runs.configuration import refuse_older
from sac_tf.runs.logs import evaluated_return
from sac_tf.serving import loading
from sac_tf.serving.export_policy import export
from sac_tf.serving.loading import ExportedPolicy
from sac_tf.serving.policy_spec import FILE_NAME, PolicySpec
from sac_tf.training.train import Training


def load_policy(path: str | Path) -> ExportedPolicy:
    """Returns the policy of a run, or an exported one; the environment is not needed.

    Args:
      path: folder of a run, whose newest checkpoint counts, or of an exported policy.

    Raises:
      ConfigurationError: the folder holds neither, or the run has no checkpoint yet, or an older
        version began it.
      RunError: all checkpoints of the run are damaged.
    """
    path = files.absolute(path)
    if (path / FILE_NAME).is_file():
        return loading.load(path)
    if not (path / folder.CONFIGURATION).is_file():
        raise ConfigurationError(
            f"{path} is neither the folder of a run (it has no {folder.CONFIGURATION}) nor of an "
            f"exported policy (it has no {FILE_NAME})."
        )
    refuse_older(path)
    with separate_settings(), tempfile.TemporaryDirectory() as exported:
        gin_files.read([str(path / folder.CONFIGURATION)], [])
        training = Training()
        run = restoring.restore(path, training.environment_factory, training.make_policy)
        episode_return = evaluated_return(path, run.step)
        description = PolicySpec(run.factory.as_json(), run.spec, run.step, episode_return)
        export(run.policy, description, Path(exported))
        return loading.load(Path(exported))
