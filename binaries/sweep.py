r"""Trains a grid of settings, or named variants, with several seeds each, and summarizes the runs
in a figure and a table.

python -m binaries.sweep --root_dir=runs/critics --gin_file=gin_configs/tasks/hopper.gin \
  --sweep='critic.ensemble_size=[2, 5, 10]' --seeds=3
python -m binaries.sweep --root_dir=runs/ablation --gin_file=gin_configs/tasks/hopper.gin \
  --variant='SAC:' --variant='fixed alpha: sac.alpha_step=None; Temperature.initial_alpha=0.2' \
  --seeds=3
python -m binaries.sweep --root_dir=runs/medium --offline --gin_file=gin_configs/tasks/hopper.gin \
  --gin_bindings='train_offline.dataset="data/hopper/medium"' \
  --variant='BC: gin_configs/bc.gin' --variant='IQL: gin_configs/iql.gin'
"""

import functools
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import gin
from absl import flags

from . import launch

if TYPE_CHECKING:
    from sac_tf.sweeps.sweep import Run

_ROOT_DIR = launch.DEFINE_path(
    "root_dir", None, "Folder of all runs; interrupted runs there are resumed.", required=True
)
_GIN_FILE = flags.DEFINE_multi_string("gin_file", [], "Gin file of all settings")
_GIN_BINDINGS = flags.DEFINE_multi_string("gin_bindings", [], "A binding of all settings")
_SWEEP = flags.DEFINE_multi_string(
    "sweep",
    [],
    "Values of a setting, 'critic.ensemble_size=[2, 5]' for example; all combinations are trained",
)
_VARIANT = flags.DEFINE_multi_string(
    "variant", [], "'name: binding; binding; file.gin', instead of --sweep"
)
_OFFLINE = flags.DEFINE_bool(
    "offline", False, "The runs learn from a data set, as those of binaries.train_offline."
)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Seeds of each setting: 0, 1, ...", lower_bound=1)
_PARALLEL = flags.DEFINE_integer(
    "parallel", None, "Runs at a time (default: the usable cores).", lower_bound=1
)


def main(arguments: list[str]) -> int:
    launch.refuse_arguments(arguments)
    if bool(_SWEEP.value) == bool(_VARIANT.value):
        raise launch.ConfigurationError("Give --sweep or --variant, and not both.")
    from sac_tf.runs.interrupts import Interrupts
    from sac_tf.sweeps import settings, sweep

    if not launch.unset([], _GIN_BINDINGS.value, [settings.SEED]):
        raise launch.ConfigurationError(f"--gin_bindings cannot set {settings.SEED}; use --seeds.")
    chosen = settings.grid(_SWEEP.value) if _SWEEP.value else settings.variants(_VARIANT.value)
    root_dir = launch.open_root_dir(_ROOT_DIR.value)
    runs = sweep.plan(root_dir, chosen, _SEEDS.value, _GIN_FILE.value, _GIN_BINDINGS.value)
    with sweep.claim(root_dir) as lock:
        _refuse_bad_configurations([run for run in runs if run.seed == 0 and not run.is_finished()])
        program = f"{__package__}.{'train_offline' if _OFFLINE.value else 'train'}"
        command = functools.partial(sweep.train_command, program)
        active = sweep.Sweep(runs, _PARALLEL.value or len(os.sched_getaffinity(0)), lock, command)
        with Interrupts(answers=False) as interrupts:
            active.run(interrupts)
    finished = [run for run in runs if run.is_finished()]
    if interrupts.received is not None:
        print(
            f"Stopped by {interrupts.received.name}; {len(finished)} of {len(runs)} runs are done, "
            "the others have checkpoints. Rerun the same command to resume."
        )
        return 128 + interrupts.received
    if finished:
        _report(root_dir, finished)
    for run, reason in active.failed.items():
        print(f"Failed: {run.name}: {reason}")
    return 1 if active.failed else 0


def _refuse_bad_configurations(runs: Sequence["Run"]) -> None:
    """Checks all configurations before any run starts, in another process, whose exit frees
    TensorFlow's memory."""
    if runs:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            pool.submit(_configure, runs, _OFFLINE.value).result()


def _configure(runs: Sequence["Run"], is_offline: bool) -> None:
    make = launch.make_offline if is_offline else launch.make_training
    for run in runs:
        make(run.gin_files, run.gin_bindings)
        gin.clear_config()


def _report(root_dir: Path, runs: Sequence["Run"]) -> None:
    from sac_tf.runs import plot
    from sac_tf.sweeps import summary

    runs = [run for run in runs if plot.has_evaluations(run.root_dir)]
    if not runs:
        print("No evaluation (Evaluator.episodes = 0), so there is neither a table nor a figure.")
        return
    groups: dict[str, list[Path]] = {}
    for run in runs:
        groups.setdefault(run.setting.name, []).append(run.root_dir)
    rows = summary.summarize(groups)
    summary.write_table(rows, root_dir / "table.csv")
    summary.draw(groups, root_dir / "learning_curves.png")
    print(summary.format_table(rows))
    print(f"  table        {root_dir}/table.csv")
    print(f"  figure       {root_dir}/learning_curves.png (mean over seeds, 95% interval shaded)")


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
