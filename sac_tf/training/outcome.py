"""The outcome of a training run."""

import dataclasses
import signal

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
