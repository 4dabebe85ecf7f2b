"""Time to a return: each run ends at its first evaluation with it, and is not trained again."""

import subprocess
import sys

import pytest

from benchmarks import returns

TOY = """
from benchmarks import time_to_return
from benchmarks.entries import SBX, Entry
from binaries import launch
from tests.binaries.running import SHORT

bindings = tuple(flag.partition("=")[2] for flag in SHORT if "bindings" in flag)
bindings += ("Evaluator.episodes = 1",)
files = ("gin_configs/tasks/pendulum.gin",)
ours = Entry("a", "Pendulum-v1", 100_000, files, bindings)
time_to_return.CONTENDERS = (ours, Entry("SAC", "Pendulum-v1", 15_000, library=SBX))
launch.run(time_to_return.main)
"""
"""The program with contenders of its own."""

PEERS_PYTHON = """#!/bin/sh
printf "sbx-rl 1, jax 2" >"$9/versions.txt"
printf "step,wall_time,return_mean,return_std,episodes\\n" >"$9/evaluations.csv"
for step in 5000 10000; do
  printf "%s,40,%s,1,10\\n" $step $((step - 11000)) >>"$9/evaluations.csv"
done
"""
"""An interpreter that trains at once: returns of -6000 and -1000."""


@pytest.fixture
def measure(tmp_path):
    """Returns a function that runs the program, and returns its exit code and output."""
    python = tmp_path / "python"
    python.write_text(PEERS_PYTHON)
    python.chmod(0o755)

    def run(value):
        flags = [f"--root_dir={tmp_path / 'runs'}", f"--output_dir={tmp_path}", "--seeds=1"]
        flags += [f"--return={value}", f"--peers_python={python}"]
        done = subprocess.run([sys.executable, "-c", TOY, *flags], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return run


def test_runs_end_at_the_first_evaluation_with_the_return(measure, tmp_path):
    path = tmp_path / "time_to_return.csv"
    code, output = measure(-5000)
    assert code == 0, output
    early, late, ours = returns.read(path)
    assert [early.return_mean, late.return_mean] == [-6000, -1000]
    assert ours.step == 5_000 and ours.return_mean > -5000
    last = ["SAC, SBX: 40 s (40)", f"a takes {ours.wall_time / 40:.2f} of the time of SAC, SBX."]
    assert output.splitlines()[-2:] == last
    _, again = measure(-5000)
    assert again.splitlines()[-2:] == last and "steps" not in again
    returns.add(path, [ours._replace(return_mean=0.0)])
    code, output = measure(-500)
    assert code == 1 and "SAC, SBX, seed 0, ended with code 0" in output
