"""Folders that appear whole or not at all, and whether one still is."""

import ctypes
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

_READ_BYTES = 1 << 20
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def write_at_once(path: Path, text: str) -> None:
    """Writes a file so that whoever looks, after a crash too, sees what was there before or all of
    `text`."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text, newline="")
    unfinished.replace(path)


def describe(folder: Path, omit: str) -> dict[str, list[int]]:
    """Returns {relative path: [size, CRC-32]} of every file below `folder`, but for those named
    `omit`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != omit)
    return {str(path.relative_to(folder)): [path.stat().st_size, _crc32(path)] for path in files}


def replace_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Puts what `write(empty folder)` writes in the place of `folder`, at once: nobody sees it half
    written.

    If `write` raises, or the process is killed, what was there before stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(aside, ignore_errors=True)  # what a killed call left
    aside.mkdir()
    try:
        write(aside)
        if not folder.exists():
            aside.rename(folder)
        elif not _exchange(aside, folder):
            retired = folder.with_name(f".{folder.name}.retired")
            shutil.rmtree(retired, ignore_errors=True)
            folder.rename(retired)
            aside.rename(folder)
            shutil.rmtree(retired)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Swaps two names in one step (Linux's renameat2); returns False where system or file system
    cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    names = _AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second)
    return rename is not None and rename(*names, _RENAME_EXCHANGE) == 0


def _crc32(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            checksum = zlib.crc32(block, checksum)
    return checksum
