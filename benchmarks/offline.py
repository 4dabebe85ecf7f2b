r"""Returns of algorithms for stored data: adds the runs of sweeps to offline_returns.csv, and fills
the table in docs/offline.md.

python -m benchmarks.offline runs/half_cheetah_medium runs/half_cheetah_mixed

The folders are those of `binaries.sweep --offline`; benchmarks/results/README.md has the commands.
Only finished runs are added.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks import aggregates, book_runs, channel, markdown, provenance, returns
from benchmarks.entries import Entry
from benchmarks.returns import Row
from binaries import launch
from sac_tf import files
from sac_tf.errors import ConfigurationError
from sac_tf.runs import folder
from sac_tf.runs.configuration import read_settings

RESULTS = Path(__file__).with_name("results") / "offline_returns.csv"
PAGE = Path(__file__).resolve().parents[1] / "docs/offline.md"
_LAST = 5
"""Evaluations of a run that the table averages: one fall among ten episodes costs much."""

_COMMIT = flags.DEFINE_string("commit", None, "Commit that trained (default: the present one).")


def main(arguments: list[str]) -> None:
    if not arguments:
        raise ConfigurationError("Name the folder of at least one sweep (see --help).")
    commit = _COMMIT.value or provenance.commit()
    for argument in arguments:
        rows = list(_rows(Path(argument), commit))
        if not rows:
            raise ConfigurationError(f"{argument} holds no finished run of an offline sweep.")
        returns.add(RESULTS, rows)
    made = table(returns.read(RESULTS))
    files.write_at_once(PAGE, fill(PAGE.read_text(), made))
    print(made, end="")


def fill(page: str, made: str) -> str:
    """Returns a page with the table that `table` made."""
    return markdown.fill(page, {"offline": made}.__getitem__)


def table(rows: Sequence[Row]) -> str:
    """Returns a table with a line for each algorithm on each data set."""
    header = [
        *("data set", "algorithm", "last five evaluations: mean [95% interval]", "each seed"),
        *("last evaluation, each seed", "minutes of a run"),
    ]
    runs: dict[tuple[str, str], dict[int, list[Row]]] = {}
    for row in rows:
        runs.setdefault((row.task, row.algorithm), {}).setdefault(row.seed, []).append(row)
    lines = [[*names, *_cells(list(found.values()))] for names, found in sorted(runs.items())]
    return markdown.table(header, lines)


def _cells(runs: Sequence[Sequence[Row]]) -> list[str]:
    """Returns the numbers of an algorithm on a data set, of which it has some runs."""
    means = [float(np.mean([row.return_mean for row in run[-_LAST:]])) for run in runs]
    interval = markdown.interval(aggregates.mean(np.array(means)[:, np.newaxis]), digits=0)
    last = [run[-1] for run in runs]
    minutes = [row.wall_time / 60 for row in last if row.wall_time is not None]
    return [
        interval,
        ", ".join(f"{mean:.0f}" for mean in means),
        ", ".join(f"{row.return_mean:.0f}" for row in last),
        f"{np.median(minutes):.0f}" if minutes else "",
    ]


def _rows(sweep: Path, commit: str) -> Iterator[Row]:
    """Yields the evaluations of the finished runs of a sweep."""
    versions = channel.versions(*book_runs.PACKAGES)
    for path in sorted(sweep.glob(f"*/*/{folder.CONFIGURATION}")):
        settings = read_settings(path)
        evaluations = files.csv_rows(path.with_name(folder.EVALUATIONS))
        if not evaluations or evaluations[-1]["step"] != settings.get("train_offline.updates"):
            continue
        task, dataset = (
            settings[name].strip("'") for name in ("train.environment", "train_offline.dataset")
        )
        algorithm = path.parent.parent.name.replace("_", " ")
        # The id of a task is named without the module that registers it.
        entry = Entry(algorithm, f"{Path(task).name}, {Path(dataset).name}", steps=0)
        yield from returns.of_run(path.parent, entry, int(settings["train.seed"]), commit, versions)


if __name__ == "__main__":
    launch.run(main)
