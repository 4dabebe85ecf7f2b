"""Measures a distributed run: whether it learns as one process does, how collectors scale, and the
cost of publishing the policy.

python -m benchmarks.distributed --output_dir=benchmarks/results

Run it from the top folder of the repository, on a machine without other work: it takes about half
an hour. Values are printed as they come; the last lines are `name value`.
"""

import os
import shlex
import sys
import time
from pathlib import Path

from absl import flags

from binaries import launch
from sac_tf.errors import ConfigurationError, RunError

_PARTS = ("learning", "collectors", "publication")
_QUIET_LOAD = 1.5
_QUIET_WAIT_S = 600

_OUTPUT_DIR = launch.DEFINE_path(
    "output_dir", "benchmarks/results", "Folder for distributed.csv and distributed.png."
)
_ROOT_DIR = launch.DEFINE_path("root_dir", "runs/benchmark", "New folder for the runs.")
_QUICK = flags.DEFINE_bool("quick", False, "One short round, to check that it works.")
_ONLY = flags.DEFINE_multi_enum(
    "only", [], _PARTS, "A part to run; repeat for several. All by default."
)


def main(arguments: list[str]) -> int:
    """Runs the parts, writes the results after each, and prints the figures."""
    launch.refuse_arguments(arguments)
    root_dir = _ROOT_DIR.value
    output = _OUTPUT_DIR.value / "distributed"
    if root_dir.exists():
        raise ConfigurationError(f"--root_dir={root_dir} exists; give a new one.")
    launch.divert_native_output(Path(os.devnull))
    from benchmarks import provenance, results
    from benchmarks.channel import BenchmarkError
    from benchmarks.distributed_suite import Suite

    commit = provenance.commit()
    command = f"python -m benchmarks.distributed {shlex.join(sys.argv[1:])}".strip()
    comment = f"{command}; {provenance.machine()}"
    suite = Suite(root_dir, _QUICK.value)
    for part in _ONLY.value or _PARTS:
        if part != "learning" and not _QUICK.value:  # learning counts steps, not seconds
            suite.add("machine", f"load_before_{part}", 0, _wait_for_quiet())
        try:
            getattr(suite, part)()
        except BenchmarkError as error:
            raise RunError(" ".join(str(error).split())) from error
        results.write(output.with_suffix(".csv"), suite.samples, commit, comment)
    if suite.curves:
        _draw(suite.curves, output.with_suffix(".png"), f"Pendulum-v1; commit {commit}")
    print("\n".join(["", *(f"{name} {value:.4g}" for name, value in suite.figures.items())]))
    return 0


def _wait_for_quiet() -> float:
    """Waits until the load of the machine is low, with a timeout; returns the load."""
    ends = time.monotonic() + _QUIET_WAIT_S
    while (load := os.getloadavg()[0]) > _QUIET_LOAD and time.monotonic() < ends:
        time.sleep(5)
    return load


def _draw(curves: dict[str, list[list[tuple[int, float]]]], path: Path, caption: str) -> None:
    """Draws a learning curve for each run, in one color for each kind of run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for (label, runs), color in zip(curves.items(), ("#7570b3", "#d95f02"), strict=True):
        for number, curve in enumerate(runs):
            steps, returns = zip(*curve, strict=True)
            title = "" if number else label
            axes.plot(steps, returns, color=color, marker="o", markersize=3, label=title)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("evaluation return (mean action)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.supxlabel(caption, fontsize=7, color="#555555")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    launch.run(main)
