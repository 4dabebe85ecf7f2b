"""The outcome of a training run."""

import dataclasses
import signal
from pathlib import Path

from sac_tf.runs.logs import evaluated_returns
from sac_tf.types import Evaluation


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of `Training.run`.

    Attributes:
      step: environment steps done, over all restarts.
      evaluation: the last one of this call; None if there was none.
      stopped_by: the signal that interrupted the run; None if it completed.
    """

    step: int
    evaluation: Evaluation | None
    stopped_by: signal.Signals | None


def lowest_evaluation(root_dir: Path, initialize_from: str | None) -> str | None:
    """Returns a sentence on the lowest evaluation of a run that started from another one, next to
    the last evaluation of that one; None if one of them has none, or if it started from none."""
    if initialize_from is None:
        return None
    here = evaluated_returns(root_dir)
    there = evaluated_returns(Path(initialize_from))
    if not here or not there:
        return None
    step = min(here, key=lambda step: here[step])
    before = there[max(there)]
    share = f", {here[step] / before:.0%} of it" if before > 0 else ""
    return (
        f"{initialize_from} ended with {before:.1f}; lowest evaluation {here[step]:.1f}{share}, at "
        f"step {step:,}."
    )
