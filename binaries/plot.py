"""Draws learning curves: one line per run; runs that differ only by seed as their mean and range.

python -m binaries.plot runs/cheetah-0 runs/cheetah-1 runs/hopper-0 --output=curves.png
python -m binaries.plot runs/reach-0 runs/reach-1 --y=success_rate --output=success.png
"""

from absl import flags

from sac_tf import files

from . import launch

_OUTPUT = launch.DEFINE_path(
    "output", None, "The picture to write (.png, .pdf or .svg).", required=True
)
_Y = flags.DEFINE_string(
    "y", "return_mean", "Column of evaluations.csv to draw: success_rate, for example."
)


def main(arguments: list[str]) -> None:
    root_dirs = [files.absolute(argument) for argument in arguments]
    if not root_dirs:
        raise launch.ConfigurationError("Name the folder of at least one run (see --help).")
    output = _OUTPUT.value
    if output.suffix not in (".png", ".pdf", ".svg"):
        raise launch.ConfigurationError(f"--output={output} must end in .png, .pdf or .svg.")
    from sac_tf.runs import plot

    try:
        plot.draw(root_dirs, output, _Y.value)
    except OSError as error:
        raise launch.ConfigurationError(
            f"--output={output} cannot be written ({error.strerror})."
        ) from error
    runs = "Curve of 1 run" if len(root_dirs) == 1 else f"Curves of {len(root_dirs)} runs"
    print(f"{runs} in {output}")


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
