"""A sweep as a user starts it: what is trained, interrupted, resumed, skipped and reported."""

import csv
import signal
import time
from unittest import mock

import pytest

from tests.binaries.running import SHORT, call_program, run_program, start_program

TINY = [
    *SHORT,
    "--gin_bindings=actor.hidden_units=(8,)",
    "--gin_bindings=critic.hidden_units=(8,)",
    "--gin_bindings=Evaluator.episodes=1",
    "--gin_bindings=RunLog.period=50",
]


def _rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _newest(root_dir):
    """The step of the newest checkpoint."""
    return int(max(root_dir.glob("checkpoints/step-*")).name.removeprefix("step-"))


def _interrupt(arguments, folders):
    """Interrupts a sweep when the first two of its runs have checkpoints."""
    process = start_program("sweep", *arguments, "--gin_bindings=train.total_steps=100_000")
    deadline = time.monotonic() + 600
    while not all(list(folder.glob("checkpoints/step-*")) for folder in folders[:2]):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGINT, err
    assert out.splitlines()[-1].startswith("Stopped by SIGINT; 0 of 4 runs are done")
    assert "Traceback" not in err
    for folder in folders[:2]:
        assert "Stopped by SIGTERM at step" in (folder / "sweep.log").read_text().splitlines()[-1]
    assert not folders[2].exists() and not (folders[3] / "sweep.log").exists()


def _check_table(root_dir, folders, total):
    returns = [
        float(_rows(folder / "evaluations.csv")[-1]["return_mean"]) for folder in folders[:3]
    ]
    table = _rows(root_dir / "table.csv")
    settings = [("ensemble_size=1", "2", str(total)), ("ensemble_size=2", "1", str(total))]
    assert [(row["setting"], row["seeds"], row["step"]) for row in table] == settings
    assert float(table[0]["mean"]) == pytest.approx((returns[0] + returns[2]) / 2, rel=1e-4)
    assert float(table[1]["mean"]) == pytest.approx(returns[1], rel=1e-4)
    assert (root_dir / "learning_curves.png").stat().st_size > 10_000


def test_sweep_is_interrupted_resumed_and_reported(tmp_path):
    """Of two settings with two seeds; one run fails."""
    arguments = [
        f"--root_dir={tmp_path}",
        *TINY,
        "--sweep=critic.ensemble_size=[1, 2]",
        "--seeds=2",
        "--parallel=2",
    ]
    folders = [
        tmp_path / f"ensemble_size={size}" / f"seed-{seed}" for seed in (0, 1) for size in (1, 2)
    ]
    folders[3].mkdir(parents=True)
    (folders[3] / "config.gin").write_text("train.seed = 5\n")  # of another run, so that it fails
    _interrupt(arguments, folders)
    stopped_at = [_newest(folder) for folder in folders[:2]]
    total = max(stopped_at) + 100
    code, out, err = run_program("sweep", *arguments, f"--gin_bindings=train.total_steps={total}")
    assert code == 1 and "3/4" in err, err
    for folder, step in zip(folders, stopped_at, strict=False):
        assert f"Resuming from step {step:,}" in (folder / "sweep.log").read_text()
    assert all(_newest(folder) == total and (folder / "policy").is_dir() for folder in folders[:3])
    losses = [float(_rows(folder / "metrics.csv")[-1]["critic_loss"]) for folder in folders[:3]]
    assert min(losses) > 0 and len(set(losses)) == 3  # settings and seeds differ
    _check_table(tmp_path, folders, total)
    failed = f"Failed: ensemble_size=2/seed-1: --root_dir={folders[3]} holds a run with another "
    assert out.splitlines()[-1].startswith(f"{failed}configuration (")
    assert "train.seed was 5, now 1" in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give --sweep or --variant, and not both"),
        (["--sweep=a.b=[1]", "--variant=x:"], "Give --sweep or --variant, and not both"),
        (["--sweep=a.b=1"], "must give a list of values"),
        (["--variant=x:", "--seeds=0"], "--seeds"),
        ([*SHORT, "--variant=x:", "--variant=y: critic.no_such=1"], "named 'no_such'"),
        ([*SHORT, "--variant=x:", "--gin_bindings=train.seed=7"], "cannot set train.seed; use --s"),
    ],
)
def test_mistake_is_one_sentence(tmp_path, arguments, words):
    code, out, err = call_program("sweep", f"--root_dir={tmp_path}", *arguments)
    assert code == 2 and words in err and out == "" and len(err.splitlines()) == 1, err
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


class _Inline:
    """An executor that runs everything in this process."""

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *arguments):
        function(*arguments)
        return mock.Mock()


def test_runs_without_evaluations_have_no_table(tmp_path):
    """All of them have finished."""

    def finish(self, interrupts):
        del interrupts
        for run in self.runs:
            run.root_dir.mkdir(parents=True)
            (run.root_dir / "evaluations.csv").write_text("step,wall_time,return_mean\n")
            run.note_finished()

    with (
        mock.patch("concurrent.futures.ProcessPoolExecutor", _Inline),
        mock.patch("sac_tf.sweeps.sweep.Sweep.run", finish),
    ):
        code, out, err = call_program("sweep", f"--root_dir={tmp_path}", *SHORT, "--variant=x:")
    assert code == 0 and out.startswith("No evaluation (Evaluator.episodes = 0)"), err
    assert not (tmp_path / "table.csv").exists()


def test_offline_runs_are_checked_and_started(tmp_path):
    """Settings of collecting in the file of a task do not matter, and those of the command line are
    refused before any run."""
    arguments = [
        f"--root_dir={tmp_path}",
        "--offline",
        "--gin_file=gin_configs/tasks/pendulum.gin",
        "--gin_bindings=train_offline.dataset='pendulum/expert-v0'",
        "--variant=BC: gin_configs/bc.gin",
        "--seeds=2",
    ]
    started = []

    def start(self, interrupts):
        del interrupts
        started.extend((self.command(run)[2], run.name) for run in self.runs)

    with (
        mock.patch("concurrent.futures.ProcessPoolExecutor", _Inline),
        mock.patch("sac_tf.sweeps.sweep.Sweep.run", start),
    ):
        code, _, err = call_program("sweep", *arguments)
        assert code == 0, err
        assert started == [("binaries.train_offline", f"BC/seed-{seed}") for seed in (0, 1)]
        code, _, err = call_program("sweep", *arguments, "--gin_bindings=train.total_steps=9")
    assert code == 2 and "train.total_steps has no effect" in err and len(started) == 2
