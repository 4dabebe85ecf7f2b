"""A folder of checkpoints that a crash cannot spoil: written aside, described by a manifest, then
renamed."""

import dataclasses
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from sac_tf import files
from sac_tf.errors import RunError

_MANIFEST = "manifest.json"
_PROGRESS = "progress.json"


@dataclasses.dataclass
class Progress:
    """Where a run is: environment steps done, and the seconds they took, restarts not counted."""

    step: int = 0
    elapsed: float = 0.0

    def save(self, folder: Path) -> None:
        (folder / _PROGRESS).write_text(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> "Progress":
        return cls(**json.loads((folder / _PROGRESS).read_text()))


class CheckpointStore:
    """Keeps the last checkpoints of a run, `step-000010000` and so on, under one folder."""

    def __init__(self, folder: Path, keep: int = 2):
        """Opens `folder`, which `save` creates if need be."""
        self._folder, self._keep = folder, keep

    def save(self, step: int, write: Callable[[Path], None], prefix: str = "step") -> Path:
        """Makes a checkpoint of what `write(folder)` puts into an empty folder.

        Args:
          step: environment step, part of the name.
          write: fills the folder. If it raises, the checkpoints of before are untouched.
          prefix: any but "step" makes a checkpoint that is for looking at only: `latest` ignores
            it.

        Returns: the finished checkpoint.
        """
        for left_over in self._folder.glob(".*-*.unfinished"):  # by a save that was killed
            shutil.rmtree(left_over)

        def write_with_manifest(folder: Path) -> None:
            write(folder)
            (folder / _MANIFEST).write_text(json.dumps(files.describe(folder, _MANIFEST), indent=1))

        destination = self._folder / f"{prefix}-{step:09d}"
        files.replace_folder(destination, write_with_manifest)
        for old in self._newest_first()[self._keep :]:
            shutil.rmtree(old)
        return destination

    def latest(self) -> Path | None:
        """Returns the newest checkpoint that is whole, with a warning for each newer one that is
        not.

        Raises:
          RunError: there are checkpoints, and none is whole.
        """
        candidates = self._newest_first()
        for candidate in candidates:
            if is_whole(candidate):
                return candidate
            logging.warning("Checkpoint %s is damaged; trying the one before.", candidate)
        if candidates:
            raise RunError(
                f"No checkpoint in {self._folder} is whole; start again in a new --root_dir."
            )
        return None

    def _newest_first(self) -> list[Path]:
        return sorted(self._folder.glob("step-*"), reverse=True)


def is_whole(checkpoint: Path) -> bool:
    """Returns whether every file of the checkpoint is as its manifest says (size and CRC-32)."""
    try:
        manifest = json.loads((checkpoint / _MANIFEST).read_text())
    except (OSError, ValueError):
        return False
    return manifest == files.describe(checkpoint, _MANIFEST)
