r"""Makes four Minari data sets of a task for offline training, from two training runs of one's own.

python -m examples.make_offline_data --root_dir=data/hopper \
    --gin_file=gin_configs/tasks/hopper.gin

simple: uniform actions. expert: the policy of a whole run, `expert_run`. medium: the policy a third
of the way from simple to expert, by the evaluations of `expert_run`; because seeded runs repeat,
`medium_run` is the same run, ended there. mixed: the replay of `medium_run`. Policies draw their
actions, as in training.

The commands of the programs are printed. What exists is kept: rerun the same command to resume.
"""

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import minari
import numpy as np
from absl import flags

from binaries import launch
from sac_tf.runs import folder
from sac_tf.runs.interrupts import Interrupts
from sac_tf.runs.logs import evaluated_returns

_ROOT_DIR = launch.DEFINE_path(
    "root_dir", None, "Folder of the two runs and of the data sets.", required=True
)
_GIN_FILE = flags.DEFINE_multi_string("gin_file", [], "Gin file of the task and the algorithm")
_GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings", [], "A binding, 'train.total_steps=300000' for example"
)
_STEPS = flags.DEFINE_integer(
    "steps", 100_000, "Steps of the data sets; mixed has those of its run.", lower_bound=1
)
_DATASETS = ("simple", "mixed", "medium", "expert")
_MEDIUM = 1 / 3
"""Share of the way from the return of simple to that of expert."""
_POLL_S = 0.1


def main(arguments: list[str]) -> int:
    launch.refuse_arguments(arguments)
    for command in _commands(_ROOT_DIR.value):
        print(f"python -m {shlex.join(command)}", flush=True)
        code = run_program(command)
        if code:
            return code
    for name in _DATASETS:
        returns, steps = _returns(_ROOT_DIR.value / name)
        print(
            f"{name:7} {steps:>9,} steps, {len(returns):>6,} episodes, return "
            f"{np.mean(returns):.1f} ± {np.std(returns):.1f}: {_ROOT_DIR.value / name}"
        )
    return 0


def _commands(root_dir: Path) -> Iterator[list[str]]:
    """Yields the missing commands. Each one is made when those before it are done."""
    expert = root_dir / "expert_run"
    medium = root_dir / "medium_run"
    given = [f"--gin_file={file}" for file in _GIN_FILE.value]
    given += [f"--gin_bindings={binding}" for binding in _GIN_BINDINGS.value]
    if not expert.exists():
        _refuse_unusable(given)
    yield ["binaries.train", f"--root_dir={expert}", *given]
    configuration = f"--gin_file={expert / folder.CONFIGURATION}"
    steps = f"--steps={_STEPS.value}"
    uniform = "--demonstrator=examples.demonstrators:uniform"
    yield from _recording(root_dir / "simple", uniform, configuration, steps)
    yield from _recording(root_dir / "expert", f"--root_dir={expert}", "--sampled", steps)
    total_steps = f"--gin_bindings=train.total_steps={_medium_step(expert, root_dir / 'simple')}"
    yield ["binaries.train", f"--root_dir={medium}", configuration, total_steps]
    yield from _recording(root_dir / "medium", f"--root_dir={medium}", "--sampled", steps)
    yield from _recording(root_dir / "mixed", f"--root_dir={medium}", "--collected")


def _refuse_unusable(given: list[str]) -> None:
    """Raises ConfigurationError if runs with these flags lack what the data sets need."""
    command = [sys.executable, "-m", "binaries.train", "--root_dir=unused", *given]
    printed = subprocess.run([*command, "--print_config"], capture_output=True, text=True)
    if printed.returncode:
        raise launch.ConfigurationError(printed.stderr.strip().rpartition("\n")[2])
    for line in printed.stdout.splitlines():
        if line.startswith("Evaluator.episodes = 0"):
            raise launch.ConfigurationError(
                "Evaluator.episodes=0: an evaluation of expert_run says where medium_run ends; "
                "leave it out."
            )
        if line.startswith("BatchReader.sampler = @"):
            raise launch.ConfigurationError(
                f"The steps of a run with {line.partition('  #')[0]} cannot be listed; leave it "
                "out."
            )


def _recording(output: Path, *arguments: str) -> Iterator[list[str]]:
    if not output.exists():
        yield ["binaries.record", f"--output={output}", *arguments]


def _medium_step(expert: Path, simple: Path) -> int:
    """Returns the step of the first evaluation that is far enough from simple."""
    evaluations = evaluated_returns(expert)
    last = max(evaluations)
    worst = float(np.mean(_returns(simple)[0]))
    target = worst + _MEDIUM * (evaluations[last] - worst)
    return next((step for step, mean in evaluations.items() if mean >= target), last)


def _returns(dataset: Path) -> tuple[list[float], int]:
    """Returns the return of each episode of a data set, and the number of its steps."""
    data = minari.MinariDataset(dataset / "data")
    return [float(np.sum(episode.rewards)) for episode in data.iterate_episodes()], data.total_steps


def run_program(command: list[str]) -> int:
    """Runs a module with its arguments, and returns the exit code. A signal is passed on, so that
    the program saves before it ends."""
    with Interrupts(answers=False) as interrupts:
        # A session of its own: the terminal would send it Ctrl-C as well.
        process = subprocess.Popen([sys.executable, "-m", *command], start_new_session=True)
        while process.poll() is None and interrupts.received is None:
            time.sleep(_POLL_S)
        if interrupts.received is not None:
            process.send_signal(signal.SIGTERM)
        return process.wait()


if __name__ == "__main__":
    launch.run(main)
