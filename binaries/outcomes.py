"""The outcome of a training run as text: what was done, where its files are, what comes next."""

from pathlib import Path
from typing import TYPE_CHECKING

from . import launch

if TYPE_CHECKING:
    from sac_tf.training.outcome import Outcome


def report(root_dir: Path, outcome: "Outcome", unit: str, **notes: str | None) -> int:
    """Prints the outcome of a run, draws its learning curve, and returns the exit code.

    Args:
      root_dir: of the run.
      outcome: of the run.
      unit: what its steps are: "step" of the environments, or "update".
      notes: sentences on its evaluations, or None.
    """
    if outcome.stopped_by is not None:
        if not outcome.step:
            print(f"Stopped by {outcome.stopped_by.name} before the first {unit}.")
            return 128 + outcome.stopped_by
        print(
            f"Stopped by {outcome.stopped_by.name} at {unit} {outcome.step:,}; its checkpoint is "
            "written. Rerun the same command to resume."
        )
        return 128 + outcome.stopped_by
    from sac_tf.runs import folder, plot

    if plot.has_evaluations(root_dir):
        plot.draw([root_dir], root_dir / folder.LEARNING_CURVE)
        result = outcome.evaluation or "unchanged: the run was complete"
        evaluated = [
            f"Evaluation return {result}",
            *(f"  {name:12} {note}" for name, note in notes.items() if note),
            f"  curve        {root_dir}/{folder.LEARNING_CURVE}",
            f"  best policy  {root_dir}/{folder.BEST_POLICY}",
        ]
    else:
        evaluated = ["No evaluation (Evaluator.episodes = 0), so there is no learning curve."]
    print(_summary(root_dir, f"{outcome.step:,} {unit}s", evaluated))
    return 0


def _summary(root_dir: Path, done: str, evaluated: list[str]) -> str:
    from sac_tf.replay.dataset import RECORDED_SPACES
    from sac_tf.runs import plot

    if plot.task_of(root_dir) == RECORDED_SPACES:
        program = "export_policy"
        output = f"--export_dir={root_dir}/exported"
    else:
        program = "evaluate"
        output = f"--video={root_dir}/policy.mp4"
    return "\n".join(
        [
            f"Done: {done}. {evaluated[0]}",
            *evaluated[1:],
            f"  policy       {root_dir}/policy (a SavedModel: docs/serving.md)",
            f"  checkpoint   {root_dir}/checkpoints",
            f"  metrics      {root_dir}/metrics.csv, {root_dir}/evaluations.csv",
            f"  TensorBoard  tensorboard --logdir={root_dir}/tensorboard",
            launch.command(f"Next: python -m binaries.{program} --root_dir={root_dir} ") + output,
        ]
    )
