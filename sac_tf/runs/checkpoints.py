"""Checkpoints: folders written atomically, with a manifest, and the train state in them."""

import dataclasses
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from sac_tf import files
from sac_tf.errors import ConfigurationError, Diverged, RunError
from sac_tf.runs import folder as names

_CHEAP_S = 2.0
"""Seconds; a checkpoint that takes less is never skipped."""
_RATIO = 20
"""Seconds from the end of a checkpoint to the next one, for each second that it took."""


_LONGEST_MESSAGE = 300
"""Characters of an error of another library that are printed."""


class CannotSave(RunError):
    """A checkpoint could not be written; the existing ones are unchanged."""


@dataclasses.dataclass
class Progress:
    """Progress of a run.

    Attributes:
      step: environment steps done.
      elapsed: seconds spent on them, over all restarts.
    """

    step: int = 0
    elapsed: float = 0.0

    def save(self, folder: Path) -> None:
        (folder / names.PROGRESS).write_text(json.dumps(dataclasses.asdict(self)))

    def require_total(self, total_steps: int, num_environments: int) -> None:
        """Raises ConfigurationError if the run has done more steps than `train.total_steps`; the
        last step of environments that are stepped together may exceed it."""
        if self.step >= total_steps + num_environments:
            raise ConfigurationError(
                f"train.total_steps={total_steps:,} is below the {self.step:,} steps that the run "
                "has done; give at least that number."
            )

    @classmethod
    def load(cls, folder: Path) -> "Progress":
        return cls(**json.loads((folder / names.PROGRESS).read_text()))


class CheckpointStore:
    """Keeps the last checkpoints of a run, `step-000010000` and so on, in one folder."""

    def __init__(self, folder: Path, keep: int = 2, clock: Callable[[], float] = time.monotonic):
        """Opens `folder`, which `save` creates if it does not exist.

        Args:
          folder: of the checkpoints.
          keep: number of checkpoints that are kept.
          clock: returns seconds.

        Raises:
          ConfigurationError: checkpoints in the folder could not be read.
        """
        files.refuse_pattern(folder)
        self._folder = folder
        self._keep = keep
        self._clock = clock
        self._cost = 0.0
        self._saved_at = 0.0

    def is_affordable(self) -> bool:
        """Returns whether a checkpoint now keeps the share of time that goes into checkpoints below
        5%, if the next one takes as long as the last one. Checkpoints of less than two seconds
        always are affordable, and so is the first one."""
        elapsed = self._clock() - self._saved_at
        return self._cost < _CHEAP_S or elapsed >= _RATIO * self._cost

    def save(self, step: int, write: Callable[[Path], None], prefix: str = "step") -> Path:
        """Saves a checkpoint, atomically.

        Args:
          step: environment step, part of the name.
          write: f(an empty folder) writes its files. If it raises, the existing checkpoints are
            unchanged.
          prefix: "step"; `latest` ignores checkpoints with another prefix, which are for debugging.

        Returns: the finished checkpoint.

        Raises:
          CannotSave: the disk is full, for example.
        """
        started = self._clock()
        destination = self._folder / f"{prefix}-{step:09d}"
        try:
            self._replace(destination, write)
        except (OSError, tf.errors.OpError) as error:
            raise CannotSave(
                f"Cannot write in {self._folder} ({one_line(error)}); its checkpoints are "
                "unchanged."
            ) from error
        self._saved_at = self._clock()
        self._cost = self._saved_at - started
        return destination

    def _replace(self, destination: Path, write: Callable[[Path], None]) -> None:
        for left_over in self._folder.glob(".*-*.unfinished"):  # by a save that was killed
            shutil.rmtree(left_over)

        def write_with_manifest(folder: Path) -> None:
            write(folder)
            manifest = files.describe(folder, names.MANIFEST)
            (folder / names.MANIFEST).write_text(json.dumps(manifest, indent=1))

        files.replace_folder(destination, write_with_manifest)
        for old in self._newest_first()[self._keep :]:
            shutil.rmtree(old)

    def latest(self) -> Path | None:
        """Returns the newest intact checkpoint, with a warning for each newer one that is damaged.

        Raises:
          RunError: there are checkpoints, and all are damaged.
        """
        candidates = self._newest_first()
        for candidate in candidates:
            if is_intact(candidate):
                return candidate
            logging.warning("Checkpoint %s is damaged; trying the one before.", candidate)
        if candidates:
            raise RunError(
                f"All checkpoints in {self._folder} are damaged; start again in a new --root_dir."
            )
        return None

    def _newest_first(self) -> list[Path]:
        return sorted(self._folder.glob("step-*"), reverse=True)


def is_intact(checkpoint: Path) -> bool:
    """Returns whether every file of the checkpoint has the size and CRC-32 in its manifest."""
    try:
        manifest = json.loads((checkpoint / names.MANIFEST).read_text())
    except (OSError, ValueError):
        return False
    return manifest == files.describe(checkpoint, names.MANIFEST)


def write_state(state: tf.Module, checkpoint: Path) -> None:
    """Writes a train state into the folder of a checkpoint; raises OSError."""
    try:
        tf.train.Checkpoint(state=state).write(str(checkpoint / names.STATE))
    except tf.errors.OpError as error:
        raise OSError(f"TensorFlow could not write the state: {error.message}") from error


def read_state(state: tf.Module, checkpoint: Path) -> None:
    """Reads a train state, and not the replay, from the folder of a checkpoint.

    Raises:
      RunError: it holds other variables. The configuration is known to be the same, so another
        version of the library wrote it, or the goals of VICE are others.
    """
    with _refusing_others(checkpoint):
        saved = tf.train.Checkpoint(state=state).read(str(checkpoint / names.STATE))
        saved.assert_consumed()


def read_policy(policy: tf.Module, checkpoint: Path) -> None:
    """Reads the policy of a train state, every variable of it, and nothing else; raises as
    `read_state`."""
    state = tf.Module()
    state.policy = policy
    with _refusing_others(checkpoint):
        saved = tf.train.Checkpoint(state=state).read(str(checkpoint / names.STATE))
        saved.assert_existing_objects_matched().expect_partial()


@contextmanager
def _refusing_others(checkpoint: Path) -> Iterator[None]:
    try:
        yield
    except (AssertionError, ValueError) as error:
        raise RunError(
            f"{checkpoint} does not fit the networks and optimizers that its configuration makes "
            "now: another version of sac_tf wrote it, or the data set in vice.dataset has changed. "
            "Resume with what it had, or start in a new --root_dir."
        ) from error


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raises RunError, which names `folder`, if files of a run cannot be written by the body. Only
    such errors say that writing failed: an OSError of a task has other causes."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        raise RunError(f"Cannot write in {folder} ({one_line(error)}).") from error


@contextmanager
def saved_on_error(save: Callable[[str], Path]) -> Iterator[None]:
    """Saves a checkpoint by `save(prefix)` if the body raises, and names its folder in the error.

    The prefix of a diverged state is "diverged": the run resumes from the checkpoint before it.

    Raises:
      RunError: the body raised, whatever it was; its cause is that error.
      ConfigurationError: the body raised it.
    """
    try:
        yield
    except CannotSave:
        raise
    except (Exception, SystemExit) as error:
        try:
            kept = save("diverged" if isinstance(error, Diverged) else "step")
        except Exception as second:
            raise RunError(
                f"{sentence_of(error)} What was collected since the last checkpoint is lost: "
                f"{sentence_of(second)}"
            ) from error
        if isinstance(error, ConfigurationError):
            raise
        raise RunError(f"{sentence_of(error)} All that was collected is in {kept}.") from error


def sentence_of(error: BaseException) -> str:
    """Returns the message of an error of this library, and type and message of any other."""
    if isinstance(error, ConfigurationError | RunError):
        return str(error)
    return f"Unexpected {type(error).__name__} ({one_line(error)})."


def one_line(error: BaseException) -> str:
    """Returns the message of an error on one line of limited length."""
    return " ".join(str(error).split())[:_LONGEST_MESSAGE]
