"""The learning curves of finished runs, as one CSV file and one picture that can be committed.

python -m benchmarks.learning runs/half_cheetah-0 runs/half_cheetah-1
--output_dir=benchmarks/results
"""

import csv
from pathlib import Path

from absl import flags

from binaries import launch
from sac_tf.runs import configuration, plot

_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", "benchmarks/results", "Where NAME.csv and NAME.png go."
)
_NAME = flags.DEFINE_string("name", "learning", "Name of both files.")
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


def main(arguments: list[str]) -> None:
    if not arguments:
        raise launch.ConfigurationError("Name the folder of at least one run (see --help).")
    root_dirs, output = (
        [Path(argument) for argument in arguments],
        Path(_OUTPUT_DIR.value) / _NAME.value,
    )
    plot.draw(root_dirs, output.with_suffix(".png"))
    with output.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        for root_dir in root_dirs:
            writer.writerows(_rows(root_dir))
    print(f"{output}.csv and {output}.png")


def _rows(root_dir: Path) -> list[dict[str, str]]:
    bindings = configuration.operative_bindings((root_dir / configuration.FILE_NAME).read_text())
    run = {
        "environment": bindings["train.environment"].strip("'"),
        "run": root_dir.name,
        "seed": bindings["train.seed"],
    }
    with (root_dir / "evaluations.csv").open(newline="") as file:
        return [{**run, **row} for row in csv.DictReader(file)]


if __name__ == "__main__":
    launch.run(main)
