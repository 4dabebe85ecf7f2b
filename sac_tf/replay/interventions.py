"""Interventions: the steps of a run in which somebody took over, collected for its prior data."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tree

from sac_tf.replay.columns import NUMBERS, ColumnPacker, Columns, part
from sac_tf.types import INTERVENED, Nest, Transition

_FILE = "interventions.npz"


class Intervened(NamedTuple):
    """An episode of T steps in which somebody took over.

    Attributes:
      rows: {dtype: [T + 1, width]}, the final observation last.
      starts: bool [T + 1], the steps of which transitions are drawn: those of the intervention.
    """

    rows: Columns
    starts: np.ndarray


class Interventions:
    """Holds the steps of E environments until their episodes end: stacks of frames and n-step
    returns also need the steps before and after an intervention."""

    def __init__(self, columns: ColumnPacker):
        """Begins with new episodes.

        Args:
          columns: packs the steps of the task.
        """
        self._columns = columns
        self._rows: dict[int, list[Columns]] = {}
        self._starts: dict[int, list[bool]] = {}
        self._successor: Nest = None

    def add(self, transition: Transition, ended: Collection[int]) -> list[Intervened]:
        """Adds the E transitions of a joint step, and returns the episodes that ended with it and
        had an intervention; arguments as for `Sink.add`."""
        rows = self._columns.pack(transition)
        number = len(transition.reward)
        starts = transition.extras.get(INTERVENED, np.zeros(number, bool))
        for environment in range(number):
            row = part(rows, environment, environment + 1)
            self._rows.setdefault(environment, []).append(row)
            self._starts.setdefault(environment, []).append(bool(starts[environment]))
        self._successor = transition.next_observation
        return self._end(sorted(ended))

    def end_episodes(self) -> list[Intervened]:
        """As `add`, of the episodes that have begun."""
        return self._end(sorted(self._rows))

    def _end(self, environments: Sequence[int]) -> list[Intervened]:
        episodes = []
        for environment in environments:
            rows = self._rows.pop(environment)
            starts = self._starts.pop(environment)
            if not any(starts):
                continue
            which = slice(environment, environment + 1)
            final = tree.map_structure(lambda leaf, which=which: leaf[which], self._successor)
            rows.append(self._columns.pack_final(final))
            joined = {dtype: np.concatenate([row[dtype] for row in rows]) for dtype in rows[0]}
            episodes.append(Intervened(joined, np.array([*starts, False])))
        return episodes


def save_episodes(folder: Path, episodes: Sequence[Intervened]) -> None:
    """Writes episodes into a folder."""
    arrays = {}
    for number, episode in enumerate(episodes):
        arrays[f"{number}/starts"] = episode.starts
        arrays |= {f"{number}/{dtype}": column for dtype, column in episode.rows.items()}
    np.savez(folder / _FILE, **arrays)


def saved_episodes(folder: Path, columns: ColumnPacker) -> Iterator[Intervened]:
    """Yields the episodes that `save_episodes` wrote, in their order."""
    with np.load(folder / _FILE) as file:
        number = sum(name.endswith(NUMBERS) for name in file)
        for i in range(number):
            rows = {dtype: file[f"{i}/{dtype}"] for dtype in columns.widths}
            yield Intervened(rows, file[f"{i}/starts"])
