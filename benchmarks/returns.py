"""Returns of the book of benchmarks: one CSV file with a row for each evaluation of each run."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.entries import BUDGETS, Entry, label
from sac_tf import files
from sac_tf.runs import folder

_MEASURED = (
    "step",
    "return_mean",
    "return_std",
    "episodes",
    "success_rate",
    "success_once",
    "wall_time",
)
"""Columns of evaluations.csv of a run."""


class Row(NamedTuple):
    """One evaluation.

    Attributes:
      library, algorithm, task, seed: of the run.
      step: environment steps.
      return_mean, return_std: of the episodes of the mean action.
      episodes: their number.
      success_rate, success_once: for tasks that report success.
      wall_time: seconds of the run so far, evaluations included.
      commit: of this repository.
      versions: of the packages.

    Numbers that are unknown are None.
    """

    library: str
    algorithm: str
    task: str
    seed: int
    step: int
    return_mean: float
    return_std: float | None
    episodes: int
    success_rate: float | None
    success_once: float | None
    wall_time: float | None
    commit: str
    versions: str

    @property
    def label(self) -> str:
        """The algorithm as tables and figures name it."""
        return label(self.library, self.algorithm)

    @property
    def key(self) -> "Key":
        """The key of its run."""
        return self.library, self.algorithm, self.task, self.seed


Key = tuple[str, str, str, int]
"""Library, algorithm, task and seed of a run."""


def read(path: Path) -> list[Row]:
    """Returns the rows of the file, none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [_row(values) for values in csv.DictReader(file)]


def add(path: Path, added: Sequence[Row]) -> None:
    """Adds the rows of runs to the file, in place of older rows of the same runs."""
    replaced = {row.key for row in added}
    kept = [row for row in read(path) if row.key not in replaced]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    for row in sorted([*kept, *added], key=lambda row: (*row.key, row.step)):
        writer.writerow([_text(value) for value in row])
    files.write_at_once(path, text.getvalue())


def reaching(rows: Iterable[Row], value: float) -> dict[Key, Row]:
    """Returns {run: its first evaluation with a return of at least `value`}."""
    first: dict[Key, Row] = {}
    for row in sorted(rows, key=lambda row: row.step):
        if row.return_mean >= value:
            first.setdefault(row.key, row)
    return first


def of_run(root_dir: Path, entry: Entry, seed: int, commit: str, versions: str) -> list[Row]:
    """Returns the rows of a run, from evaluations.csv in its folder."""
    shared = {
        "library": entry.library,
        "algorithm": entry.algorithm,
        "task": entry.task,
        "seed": str(seed),
        "commit": commit,
        "versions": versions,
    }
    with (root_dir / folder.EVALUATIONS).open(newline="") as file:
        return [
            _row({**shared, **{name: row.get(name, "") for name in _MEASURED}})
            for row in csv.DictReader(file)
        ]


def missing(rows: Iterable[Row], entries: Iterable[Entry]) -> list[tuple[Entry, int]]:
    """Returns (entry, seed) of the runs that have not been evaluated at their last step and at each
    of `BUDGETS` before it, seed 0 of all entries first."""
    evaluated: dict[Key, set[int]] = {}
    for row in rows:
        evaluated.setdefault(row.key, set()).add(row.step)
    found = [
        (entry, seed)
        for entry in entries
        for seed in range(entry.seeds)
        if not _due(entry) <= evaluated.get(key_of(entry, seed), set())
    ]
    return sorted(found, key=lambda run: run[1])


def key_of(entry: Entry, seed: int) -> Key:
    """Returns the key of the run of an entry with a seed."""
    return entry.library, entry.algorithm, entry.task, seed


def _due(entry: Entry) -> set[int]:
    return {*(step for step in BUDGETS if step < entry.steps), entry.steps}


def _row(values: dict[str, str]) -> Row:
    def number(name: str) -> float | None:
        return float(values[name]) if values[name] else None

    return Row(
        library=values["library"],
        algorithm=values["algorithm"],
        task=values["task"],
        seed=int(values["seed"]),
        step=int(values["step"]),
        return_mean=float(values["return_mean"]),
        return_std=number("return_std"),
        episodes=int(values["episodes"]),
        success_rate=number("success_rate"),
        success_once=number("success_once"),
        wall_time=number("wall_time"),
        commit=values["commit"],
        versions=values["versions"],
    )


def _text(value: str | int | float | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
