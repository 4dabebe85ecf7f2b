"""Normalized scores of offline training: 0 for a random policy, 100 for an expert."""

from pathlib import Path

from sac_tf.replay.dataset import is_dataset, reference_returns
from sac_tf.runs import folder
from sac_tf.types import Evaluation

_D4RL = {
    "HalfCheetah": (-280.178953, 12135.0),
    "Hopper": (-20.272305, 3234.3),
    "Walker2d": (1.629008, 4592.3),
    "Ant": (-325.6, 3879.7),
    "AdroitHandPen": (96.262799, 3076.8331),
    "AdroitHandHammer": (-274.856578, 12794.1348),
    "AdroitHandDoor": (-56.512833, 2880.5693),
    "AdroitHandRelocate": (-6.425911, 4233.8778),
}
"""Returns of a random and of an expert policy, of d4rl (2004.07219), by the task without its
version: d4rl had older versions, whose rewards differ a little."""


def normalized_score(task: str, dataset: str, evaluation: Evaluation | None) -> str | None:
    """Returns 100 (R - random) / (expert - random) of the mean return R of an evaluation as a
    sentence, by the returns that the data set names, or else by those of d4rl; None if neither has
    some, or if nothing was evaluated.

    Args:
      task: its id, `module:id` for example.
      dataset: as `OfflineSettings.dataset`.
      evaluation: of the policy.
    """
    path = Path(dataset)
    if evaluation is None:
        return None
    found = None
    if not (path / folder.CONFIGURATION).is_file():  # the folder of a run has no such returns
        found = reference_returns(path if is_dataset(path) else dataset)
    source = "of the data set"
    if found is None:
        name = task.rpartition(":")[2].rpartition("-v")[0]
        found = _D4RL.get(name)
        source = f"d4rl's {name}"
    if found is None:
        return None
    low, high = found
    score = 100 * (evaluation.return_mean - low) / (high - low)
    return f"{score:.1f}, normalized: 0 is {low:.1f} and 100 is {high:.1f} ({source})"
