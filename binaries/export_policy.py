"""Exports the policy of a run to a folder that serves it without this library.

python -m binaries.export_policy --root_dir=runs/cheetah --export_dir=cheetah_policy
"""

import contextlib
import importlib.util
import io
from typing import TYPE_CHECKING

import gin
from absl import flags

from . import launch

if TYPE_CHECKING:
    from sac_tf.serving.export_policy import Format

_ROOT_DIR = launch.DEFINE_path("root_dir", None, "Folder of a run.", required=True)
_EXPORT_DIR = launch.DEFINE_path(
    "export_dir", None, "Folder to write; an export there is replaced.", required=True
)
_FORMAT = flags.DEFINE_enum(
    "format", "saved_model", ["saved_model", "tflite", "tf_agents"], "What to write."
)


def main(arguments: list[str]) -> None:
    launch.refuse_arguments(arguments)
    if _FORMAT.value == "tf_agents" and importlib.util.find_spec("tf_agents") is None:
        raise launch.ConfigurationError(
            "--format=tf_agents needs TF-Agents: pip install 'sac_tf[tf-agents]'."
        )
    root_dir = _ROOT_DIR.value
    folder = _EXPORT_DIR.value
    run = launch.restore_run(root_dir)
    from sac_tf.runs.logs import evaluated_return
    from sac_tf.serving.export_policy import export
    from sac_tf.serving.policy_spec import PolicySpec

    episode_return = evaluated_return(root_dir, run.step)
    description = PolicySpec(run.factory.as_json(), run.spec, run.step, episode_return)
    try:
        export(run.policy, description, folder, _format(_FORMAT.value))
    except OSError as error:
        raise launch.ConfigurationError(
            f"--export_dir={folder} cannot be written ({error.strerror})."
        ) from error
    print(f"{run.factory.title}, policy of step {run.step:,} ({run.checkpoint}) is in {folder}")
    print(launch.command(f"Next: python -m binaries.evaluate --policy={folder}"))


def _format(name: str) -> "Format":
    """Returns a format by its name; TF-Agents, which takes seconds, is imported only if needed."""
    if name == "tf_agents":
        # TF-Agents registers its configurables; Gym, which it imports, prints that it is old.
        with gin.unlock_config(), contextlib.redirect_stderr(io.StringIO()):
            from sac_tf.tf_agents.export import TF_AGENTS
        return TF_AGENTS

    from sac_tf.serving import export_policy

    return {form.name: form for form in (export_policy.SAVED_MODEL, export_policy.TFLITE)}[name]


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
