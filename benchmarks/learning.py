r"""Learning curves of finished runs, as one CSV file and one figure that can be committed.

python -m benchmarks.learning runs/half_cheetah-0 runs/half_cheetah-1 \
    --output_dir=benchmarks/results
"""

import csv
from pathlib import Path

from absl import flags

from binaries import launch
from sac_tf.errors import ConfigurationError
from sac_tf.runs import folder, plot
from sac_tf.runs.configuration import read_settings

_OUTPUT_DIR = launch.DEFINE_path(
    "output_dir", "benchmarks/results", "Folder for NAME.csv and NAME.png."
)
_NAME = flags.DEFINE_string("name", "learning", "Name of both files.")
_Y = flags.DEFINE_string("y", plot.RETURN, "Column of evaluations.csv to draw.")
_COLUMNS = (
    "environment",
    "run",
    "seed",
    "step",
    "return_mean",
    "return_std",
    "episodes",
    "wall_time",
)
_SUCCESSES = ("success_rate", "success_once")
"""Columns of tasks that report success."""


def main(arguments: list[str]) -> None:
    if not arguments:
        raise ConfigurationError("Name the folder of at least one run (see --help).")
    root_dirs = [Path(argument) for argument in arguments]
    output = _OUTPUT_DIR.value / _NAME.value
    plot.draw(root_dirs, output.with_suffix(".png"), _Y.value)
    rows = [row for root_dir in root_dirs for row in _rows(root_dir)]
    successes = [name for name in _SUCCESSES if any(row.get(name) for row in rows)]
    with output.with_suffix(".csv").open("w", newline="") as file:
        columns = [*_COLUMNS, *successes]
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{output}.csv and {output}.png")


def _rows(root_dir: Path) -> list[dict[str, str]]:
    settings = read_settings(root_dir / folder.CONFIGURATION)
    run = {
        "environment": settings["train.environment"].strip("'"),
        "run": root_dir.name,
        "seed": settings["train.seed"],
    }
    with (root_dir / folder.EVALUATIONS).open(newline="") as file:
        return [{**run, **row} for row in csv.DictReader(file)]


if __name__ == "__main__":
    launch.run(main)
