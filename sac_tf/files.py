"""Absolute paths, atomic writes of files and folders, rows of CSV files, and checksums of the files
in a folder."""

import csv
import ctypes
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

from sac_tf.errors import ConfigurationError

_READ_BYTES = 1 << 20
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def absolute(path: str | Path) -> Path:
    """Returns a path that stays valid in another working directory, with `~` expanded.

    Raises:
      ConfigurationError: the path is empty, or the home directory that it names is unknown.
    """
    if not str(path):
        raise ConfigurationError("A path is missing.")
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigurationError(f"The home directory in {path} is unknown.") from error


def refuse_pattern(path: Path) -> None:
    """Raises ConfigurationError if TensorFlow would not find files in the folder `path`, which it
    takes for a pattern when it reads."""
    wrong = [character for character in "[\\" if character in str(path)]
    if wrong:
        raise ConfigurationError(
            f"{path} has the character {wrong[0]} in its path, with which TensorFlow does not find "
            "the files again; rename the folder or use another one."
        )


def make_folder(folder: Path, argument: str) -> None:
    """Makes the folder of an output before long work.

    Args:
      folder: may exist.
      argument: that named the output, with its value, for the message.

    Raises:
      ConfigurationError: it cannot be made, or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{argument} cannot be written ({error.strerror}).") from error
    if not os.access(folder, os.W_OK):
        raise ConfigurationError(f"{argument} cannot be written (no permission).")


def write_at_once(path: Path, text: str) -> None:
    """Writes a file atomically: readers see the old or the new content, even after a crash."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text, newline="")
    unfinished.replace(path)


def csv_rows(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a CSV file, without a last one that was cut off, by a full disk for
    example."""
    text = path.read_text()
    return list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))


def describe(folder: Path, omit: str) -> dict[str, list[int]]:
    """Returns {relative path: [size in bytes, CRC-32]} of every file below `folder`, except files
    named `omit`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != omit)
    return {str(path.relative_to(folder)): [path.stat().st_size, _crc32(path)] for path in files}


def replace_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Replaces `folder` atomically by a new folder, which `write(empty folder)` fills.

    If `write` raises, or the process is killed, the previous content stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # left by a call that was killed
    unfinished.mkdir()
    try:
        write(unfinished)
        if not folder.exists():
            unfinished.rename(folder)
        elif not _exchange(unfinished, folder):
            retired = folder.with_name(f".{folder.name}.retired")
            shutil.rmtree(retired, ignore_errors=True)
            folder.rename(retired)
            unfinished.rename(folder)
            shutil.rmtree(retired)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Swaps two names atomically with Linux's renameat2; returns False if the system or the file
    system does not support it."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    names = (_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second))
    return rename(*names, _RENAME_EXCHANGE) == 0


def _crc32(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            checksum = zlib.crc32(block, checksum)
    return checksum
