"""Trains a policy: starts or resumes the run in --root_dir.

python -m binaries.train --root_dir=runs/cheetah --gin_file=gin_configs/tasks/half_cheetah.gin
python -m binaries.train --print_config --gin_file=gin_configs/redq.gin   # lists all settings
"""

from pathlib import Path

from absl import flags

from . import launch

_ROOT_DIR = launch.DEFINE_path(
    "root_dir", None, "Folder of the run; an interrupted run there is resumed."
)
_GIN_FILE = flags.DEFINE_multi_string("gin_file", [], "Gin file, of your own or shipped")
_GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings", [], "A binding, 'train.seed=1' for example"
)
_PRINT_CONFIG = launch.DEFINE_listing("print_config")


def main(arguments: list[str]) -> int:
    launch.refuse_arguments(arguments)
    if _PRINT_CONFIG.value:
        return launch.print_config(_GIN_FILE.value, _GIN_BINDINGS.value)
    if _ROOT_DIR.value is None:
        raise launch.ConfigurationError("Give --root_dir, the folder of the run.")
    root_dir = launch.open_root_dir(_ROOT_DIR.value)
    outcome = launch.make_training(_GIN_FILE.value, _GIN_BINDINGS.value).run(str(root_dir))
    if outcome.stopped_by is not None:
        print(
            f"Stopped by {outcome.stopped_by.name} at step {outcome.step:,}; its checkpoint is "
            "written. Rerun the same command to resume."
        )
        return 128 + outcome.stopped_by
    from sac_tf.runs import folder, plot

    if plot.has_evaluations(root_dir):
        plot.draw([root_dir], root_dir / folder.LEARNING_CURVE)
        result = outcome.evaluation or "unchanged: the run was complete"
        evaluated = [
            f"Evaluation return {result}",
            f"  curve        {root_dir}/{folder.LEARNING_CURVE}",
            f"  best policy  {root_dir}/{folder.BEST_POLICY}",
        ]
    else:
        evaluated = ["No evaluation (Evaluator.episodes = 0), so there is no learning curve."]
    print(_summary(root_dir, outcome.step, evaluated))
    return 0


def _summary(root_dir: Path, step: int, evaluated: list[str]) -> str:
    return "\n".join(
        [
            f"Done: {step:,} steps. {evaluated[0]}",
            *evaluated[1:],
            f"  policy       {root_dir}/policy (a SavedModel: docs/serving.md)",
            f"  checkpoint   {root_dir}/checkpoints",
            f"  metrics      {root_dir}/metrics.csv, {root_dir}/evaluations.csv",
            f"  TensorBoard  tensorboard --logdir={root_dir}/tensorboard",
            launch.command(f"Next: python -m binaries.evaluate --root_dir={root_dir} ")
            + f"--video={root_dir}/policy.mp4",
        ]
    )


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
