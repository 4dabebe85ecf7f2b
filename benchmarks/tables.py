"""Tables of the book of benchmarks, as Markdown."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks import aggregates, markdown, returns
from benchmarks.entries import (
    BOOK,
    BUDGETS,
    FEW_TASKS,
    NOMINAL,
    PARTS,
    PHYSICS,
    TASKS,
    VARIANTS,
)
from benchmarks.returns import Row

PUBLISHED = Path(__file__).with_name("published.csv")
TIMES = Path(__file__).with_name("results") / "time_to_return.csv"
COMPARED = 100_000
"""Environment steps at which algorithms are compared over several tasks."""
GOAL = 5_000
"""A return that shows in how much time an algorithm learns HalfCheetah."""
_NOT_RUN = ""


def fill(page: str, rows: Sequence[Row]) -> str:
    """Returns a page with each table between `<!-- book: NAME -->` and `<!-- end -->` anew.

    Args:
      page: the text.
      rows: of returns.csv.
    """
    return markdown.fill(page, lambda name: TABLES[name](rows))


def scores(rows: Iterable[Row], label: str, task: str, step: int) -> dict[int, float]:
    """Returns {seed: return} of an algorithm on a task after some steps."""
    return {
        row.seed: row.return_mean
        for row in rows
        if (row.label, row.task, row.step) == (label, task, step)
    }


def labels(rows: Iterable[Row], tasks: Sequence[str]) -> list[str]:
    """Returns the algorithms that were run for `COMPARED` steps on all of the tasks, as listed in
    the book."""
    known = {(row.label, row.task) for row in rows if row.step == COMPARED}
    return [
        label
        for label in dict.fromkeys(entry.label for entry in BOOK)
        if all((label, task) in known for task in tasks)
    ]


def normalized(rows: Sequence[Row], label: str, tasks: Sequence[str]) -> np.ndarray:
    """Returns scores [runs, tasks] after `COMPARED` steps, relative to the published mean of
    CrossQ; of tasks with more runs than others the first ones count."""
    reference = published(COMPARED)
    columns = []
    for task in tasks:
        found = scores(rows, label, task, COMPARED)
        columns.append([found[seed] / reference["CrossQ", task][0] for seed in sorted(found)])
    runs = min(map(len, columns))
    return np.array([column[:runs] for column in columns]).T


def published(step: int) -> dict[tuple[str, str], tuple[float, float]]:
    """Returns {(algorithm, task): (mean, standard deviation)} of published returns after some
    steps, of version 4 of our task."""
    with PUBLISHED.open(newline="") as file:
        return {
            (row["algorithm"], row["task"].replace("-v4", "-v5")): (
                float(row["mean"]),
                float(row["std"]),
            )
            for row in csv.DictReader(file)
            if int(row["step"]) == step
        }


def _returns(rows: Sequence[Row]) -> str:
    header = ["task", "algorithm", *(f"{step:,} steps" for step in BUDGETS)]
    lines = [
        [task, label, *(_cell(rows, label, task, step) for step in BUDGETS)]
        for task in TASKS
        for label in _on_task(rows, task)
    ]
    return markdown.table(header, lines)


def _results(rows: Sequence[Row]) -> str:
    reference = published(COMPARED)

    def ours(name: str, algorithm: str) -> list[str]:
        return [name, *(_cell(rows, algorithm, task, COMPARED) for task in TASKS)]

    def theirs(algorithm: str) -> list[str]:
        cells = [markdown.plus_minus(*reference[algorithm, task]) for task in TASKS]
        return [f"{algorithm}, published", *cells]

    lines = [ours("SAC", "SAC"), theirs("SAC"), ours("`fast.gin`", "fast.gin"), theirs("CrossQ")]
    return markdown.table(["", *TASKS], lines)


def _published(rows: Sequence[Row]) -> str:
    del rows
    lines = []
    for step in (100_000, 300_000):
        reference = published(step)
        for algorithm in dict.fromkeys(name for name, _ in reference):
            cells = [markdown.plus_minus(*reference[algorithm, task]) for task in TASKS]
            lines.append([algorithm, f"{step:,}", *cells])
    names = [task.partition("-")[0] for task in TASKS]
    return markdown.table(["algorithm", "steps", *names], lines)


def _aggregates(rows: Sequence[Row]) -> str:
    header = ["tasks", "algorithm", "runs", "interquartile mean", "mean", "better than SAC"]
    lines = []
    for tasks in (FEW_TASKS, tuple(TASKS)):
        found = {label: normalized(rows, label, tasks) for label in labels(rows, tasks)}
        for label, values in found.items():
            better = _NOT_RUN
            if "SAC" in found and label != "SAC":
                better = markdown.interval(aggregates.improvement(values, found["SAC"]))
            lines.append(
                [
                    str(len(tasks)),
                    label,
                    str(len(values)),
                    markdown.interval(aggregates.interquartile_mean(values)),
                    markdown.interval(aggregates.mean(values)),
                    better,
                ]
            )
    return markdown.table(header, lines)


def _stability(rows: Sequence[Row]) -> str:
    header = [
        *("task", "algorithm", "coefficient of variation"),
        *("seconds for 1,000 steps", f"hours to a return of {GOAL:,}"),
    ]
    lines = []
    for task in FEW_TASKS:
        for label in _on_task(rows, task):
            found = list(scores(rows, label, task, COMPARED).values())
            variation = np.std(found, ddof=1) / abs(np.mean(found)) if found[1:] else np.nan
            own = [row for row in rows if (row.label, row.task) == (label, task)]
            timed = [row for row in own if row.wall_time is not None]
            pace = [1_000 * row.wall_time / row.step for row in timed if row.step == COMPARED]
            numbers = (variation, np.mean(pace) if pace else np.nan, _hours(timed))
            lines.append([task, label, *(_NOT_RUN if np.isnan(n) else f"{n:.2f}" for n in numbers)])
    return markdown.table(header, lines)


def _hours(timed: Sequence[Row]) -> float:
    """Returns the mean time of runs until their first evaluation with a return of `GOAL`; NaN if
    one of them has none."""
    runs = {row.key for row in timed}
    first = returns.reaching(timed, GOAL)
    if not runs or runs - first.keys():
        return np.nan
    return float(np.mean([row.wall_time / 3600 for row in first.values()]))


def _time_to_return(rows: Sequence[Row]) -> str:
    del rows
    runs: dict[str, list[Row]] = {}
    for _, row in sorted(returns.reaching(returns.read(TIMES), GOAL).items()):
        runs.setdefault(row.label, []).append(row)
    lines = []
    for label, found in runs.items():
        seconds = [row.wall_time for row in found]
        each = ", ".join(f"{one:.0f}" for one in seconds)
        steps = ", ".join(f"{row.step:,}" for row in found)
        lines.append([label, each, f"{np.mean(seconds):.0f}", steps])
    return markdown.table(
        ["", f"seconds to {GOAL:,}, each seed", "mean", "environment steps"], lines
    )


def _compare(
    names: Mapping[str, str], tasks: Sequence[str], step: int
) -> Callable[[Sequence[Row]], str]:
    """Returns what makes a table of algorithms on tasks after some steps.

    Args:
      names: {algorithm: its name in the table}.
      tasks, step: the columns.
    """

    def make(rows: Sequence[Row]) -> str:
        header = [f"after {step:,} steps", *tasks]
        lines = [
            [name, *(_cell(rows, algorithm, task, step) for task in tasks)]
            for algorithm, name in names.items()
        ]
        return markdown.table(header, lines)

    return make


def _transfer(rows: Sequence[Row]) -> str:
    header = ["", "SAC, no update", "SAC, fine-tuned", "SAC, from scratch", "TD3, no update"]
    own = (NOMINAL, "SAC"), ("HalfCheetah-v5", "TD3")
    source, other = (_cell(rows, algorithm, task, COMPARED) for task, algorithm in own)
    tuned, scratch = (
        {task: _cell(rows, algorithm, task, 50_000) for task in (NOMINAL, *PHYSICS)}
        for algorithm in ("SAC, fine-tuned", "SAC")
    )
    lines = [["unchanged", source, tuned[NOMINAL], scratch[NOMINAL], other]]
    for task in PHYSICS:
        shot, other_shot = (_cell(rows, f"{name}, zero-shot", task, 1) for name in ("SAC", "TD3"))
        lines.append([task.partition(", ")[2], shot, tuned[task], scratch[task], other_shot])
    return markdown.table(header, lines)


def _runs(rows: Sequence[Row]) -> str:
    header = ["algorithm", "task", "steps", "seeds", "planned", "commits"]
    lines = []
    for entry in BOOK:
        label = entry.label
        own = [row for row in rows if (row.label, row.task) == (label, entry.task)]
        commits = ", ".join(dict.fromkeys(row.commit for row in own))
        done = len({row.seed for row in own if row.step >= entry.steps})
        lines.append([label, entry.task, f"{entry.steps:,}", str(done), str(entry.seeds), commits])
    return markdown.table(header, lines)


def _on_task(rows: Sequence[Row], task: str) -> list[str]:
    """Returns the algorithms that were run on a task up to `COMPARED` steps, as listed in the
    book."""
    return labels(rows, [task])


def _cell(rows: Sequence[Row], label: str, task: str, step: int) -> str:
    """Returns mean, standard deviation and number of the seeds."""
    found = list(scores(rows, label, task, step).values())
    if not found:
        return _NOT_RUN
    if len(found) == 1:
        return f"{found[0]:.0f} (1)"
    return (
        f"{markdown.plus_minus(float(np.mean(found)), float(np.std(found, ddof=1)))} ({len(found)})"
    )


_PART_NAMES = {"SAC": "SAC", **{name: name.removeprefix("SAC, ") for name in PARTS}}
_TEMPERATURES = {
    "SAC": "learned",
    **{f"SAC, fixed temperature {alpha}": str(alpha) for alpha in (0.05, 0.1, 0.2, 0.5, 1.0)},
}
_ENTROPY_TARGETS = {
    "SAC, entropy target -A/2": "-A/2",
    "SAC": "-A",
    "SAC, entropy target -2A": "-2A",
}
_HALF_CHEETAH = ["HalfCheetah-v5"]
TABLES: dict[str, Callable[[Sequence[Row]], str]] = {
    "results": _results,
    "returns": _returns,
    "published": _published,
    "aggregates": _aggregates,
    "stability": _stability,
    "parts": _compare(_PART_NAMES, FEW_TASKS, 50_000),
    "temperatures": _compare(_TEMPERATURES, _HALF_CHEETAH, 50_000),
    "entropy_targets": _compare(_ENTROPY_TARGETS, _HALF_CHEETAH, 50_000),
    "variants": _compare(
        {name: name for name in ("SAC", "CrossQ", *VARIANTS)}, _HALF_CHEETAH, 50_000
    ),
    "utd": _compare({name: name for name in ("SAC", "REDQ", "DroQ")}, ["Hopper-v5"], 10_000),
    "time_to_return": _time_to_return,
    "transfer": _transfer,
    "runs": _runs,
}
"""{name: makes the table of rows}."""
