"""Exports commits, so that benchmarks can run the code of another commit next to this tree."""

import io
import subprocess
import tarfile
from pathlib import Path

from sac_tf.errors import ConfigurationError

REPOSITORY = Path(__file__).resolve().parents[1]
"""The top folder of this working tree."""


def export(commit: str, folder: Path) -> None:
    """Writes the files of `commit` to `folder`.

    Raises:
      ConfigurationError: git knows no such commit.
    """
    command = ["git", "archive", "--", commit]
    archive = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True)
    if archive.returncode != 0:
        raise ConfigurationError(
            f"git cannot export commit {commit!r}: {archive.stderr.decode().strip()}"
        )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
