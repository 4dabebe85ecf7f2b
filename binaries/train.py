"""Trains a policy: starts or resumes the run in --root_dir.

python -m binaries.train --root_dir=runs/cheetah --gin_file=gin_configs/tasks/half_cheetah.gin
"""

from pathlib import Path

from absl import flags

from binaries import launch
from sac_tf.runs import folder

_ROOT_DIR = flags.DEFINE_string(
    "root_dir", None, "Folder of the run; an interrupted run there is resumed.", required=True
)
_GIN_FILE = flags.DEFINE_multi_string("gin_file", [], "Gin file; repeat for several.")
_GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings", [], "A binding, 'train.seed=1' for example; repeatable."
)


def main(arguments: list[str]) -> int:
    launch.refuse_arguments(arguments)
    root_dir = launch.open_root_dir(_ROOT_DIR.value)
    from sac_tf.runs import plot

    outcome = launch.make_training(_GIN_FILE.value, _GIN_BINDINGS.value).run(str(root_dir))
    if outcome.stopped_by is not None:
        print(
            f"Stopped by {outcome.stopped_by.name} at step {outcome.step:,}; its checkpoint is "
            "written. Rerun the same command to resume."
        )
        return 128 + outcome.stopped_by
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
            f"Next: python -m binaries.evaluate --root_dir={root_dir} "
            f"--video={root_dir}/policy.mp4",
        ]
    )


if __name__ == "__main__":
    launch.run(main)
