"""Saved replays: what a checkpoint has next to Reverb's own files, and its rows in order."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sac_tf.pinned.reverb_checkpoint import fill_queue
from sac_tf.replay.columns import NUMBERS, Columns
from sac_tf.replay.resident import read_queue
from sac_tf.replay.tables import (
    LINKS,
    QUEUE_TABLE,
    ROWS,
    SEGMENT_TABLE,
    ReplayServer,
    make_tables,
)
from sac_tf.replay.windows import Windows

REVERB = "reverb"
_SUMMARY = "replay.json"


class Summary(NamedTuple):
    """A saved replay in numbers.

    Attributes:
      transitions: ever added.
      rows: in its segments; 0 if replay servers or Reverb's own sampler keep them.
      segment: number of the next segment.
      widths: {dtype: numbers in a row}.
    """

    transitions: int
    rows: int
    segment: int
    widths: dict[str, int]

    def save(self, folder: Path) -> None:
        (folder / _SUMMARY).write_text(json.dumps(self._asdict()))

    @classmethod
    def load(cls, folder: Path) -> "Summary":
        return cls(**json.loads((folder / _SUMMARY).read_text()))


@contextlib.contextmanager
def with_filled_queue(folder: Path, scratch: Path) -> Iterator[Path]:
    """Copies Reverb's part of a saved replay to `scratch` for a while, with all segments in the
    queue, for a sampler that keeps its own copy of them.

    Args:
      folder: that a replay wrote.
      scratch: a folder on the same disk, if possible: the copy is then made of links.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        shutil.copytree(folder / REVERB, scratch, copy_function=_link_or_copy)
        fill_queue(scratch, SEGMENT_TABLE, QUEUE_TABLE)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def saved_episodes(folder: Path, windows: Windows) -> Iterator[Columns]:
    """Yields the episodes of a saved replay, the one that began first first. Of a replay that was
    full, the oldest episodes have lost their beginning.

    Args:
      folder: that a replay wrote.
      windows: of the same task.

    Yields: {dtype: array [T + 1, width]}, the final observation last.
    """
    parts: list[dict[str, np.ndarray]] = []
    missing = Summary.load(folder).rows
    with tempfile.TemporaryDirectory() as temporary:
        with with_filled_queue(folder, Path(temporary) / REVERB) as adapted:
            server = ReplayServer(make_tables(windows), Path(temporary) / "staging", adapted)
        try:
            blocks = iter(read_queue(server.address, windows))
            while missing > 0:
                block = next(blocks).data
                number = int(block[ROWS])
                missing -= number
                names = (*windows.columns.widths, LINKS)
                parts.append({name: block[name][:number].numpy() for name in names})
        finally:
            server.stop()
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    episode = _episodes(whole.pop(LINKS)[:, 0])
    order = np.argsort(episode, kind="stable")
    for numbers in np.split(order, np.flatnonzero(np.diff(episode[order])) + 1):
        if len(numbers) > 1 and whole[NUMBERS][numbers[-1], -1]:
            yield {dtype: array[numbers] for dtype, array in whole.items()}


def _episodes(back: np.ndarray) -> np.ndarray:
    """Returns the number of the episode of each row [R]."""
    episode = np.empty(len(back), int)
    episodes = 0
    for row, distance in enumerate(back.tolist()):
        if 0 < distance <= row:
            episode[row] = episode[row - distance]
        else:
            episode[row] = episodes
            episodes += 1
    return episode


def _link_or_copy(source: str, destination: str) -> str:
    try:
        os.link(source, destination)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, destination)
    return destination
