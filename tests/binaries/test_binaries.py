"""The programs as a user starts them: exit codes, files, what is printed, and a policy that has
learned."""

import csv
import resource
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.binaries.running import SHORT, run_binary, start_binary


def _evaluations(root):
    with (root / "evaluations.csv").open() as file:
        return [(int(row["step"]), float(row["return_mean"])) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A short run, made once."""
    root = tmp_path_factory.mktemp("runs") / "finished"
    code, out, err = run_binary("train", f"--root_dir={root}", *SHORT)
    assert code == 0, err
    return root, out, err


def test_train_prints_what_it_made_and_nothing_else(finished):
    root, out, err = finished
    lines = out.splitlines()
    assert lines[0].startswith("step 300: evaluation return -") and lines[1].startswith(
        "step 600: evaluation return -"
    )
    assert lines[2].startswith("Done: 600 steps. Evaluation return -")
    for name in (
        "learning_curve.png",
        "checkpoints",
        "metrics.csv",
        "evaluations.csv",
        "tensorboard",
    ):
        assert (root / name).exists() and f"{root}/{name}" in out
    assert (
        lines[-1]
        == f"Next: python -m binaries.evaluate --root_dir={root} --video={root}/policy.mp4"
    )
    assert all(
        "600" in line or not line.strip() for line in err.replace("\r", "\n").splitlines()
    ), err  # the bar alone


def test_updates_happened(finished):
    with (finished[0] / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["200", "400", "600"]
    assert (
        rows[0]["critic_loss"] == "" and float(rows[0]["updates_per_second"]) == 0
    )  # random exploration
    for row in rows[1:]:
        assert float(row["critic_loss"]) > 0 and float(row["updates_per_second"]) > 0
    assert float(rows[1]["alpha"]) > float(rows[2]["alpha"])


def test_evaluate_and_film(finished, tmp_path):
    code, out, err = run_binary(
        "evaluate", f"--root_dir={finished[0]}", "--episodes=2", f"--video={tmp_path}/policy.mp4"
    )
    assert code == 0, err
    assert "policy of step 600" in out and "over 2 episodes" in out and err == ""
    assert (tmp_path / "policy.mp4").stat().st_size > 10_000


def test_plot(finished, tmp_path):
    code, out, err = run_binary("plot", finished[0], finished[0], f"--output={tmp_path}/curves.png")
    assert (code, out, err) == (0, f"Curves of 2 runs in {tmp_path}/curves.png\n", "")
    assert (tmp_path / "curves.png").read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize("binary", ["train", "evaluate", "plot"])
def test_help_needs_no_tensorflow(binary):
    code, out, err = run_binary(
        binary, "--help", env={"PATH": "", "PYTHONPATH": "", "PYTHONVERBOSE": "1"}
    )
    assert code == 0 and "--" in out
    assert "import 'gin" in err and "tensorflow" not in err and "reverb" not in err


@pytest.mark.parametrize(
    ("binary", "arguments", "words"),
    [
        ("train", [], "--root_dir"),
        ("train", ["--root_dir={tmp}/a", "--no_such_flag=1"], "no_such_flag"),
        ("train", ["--root_dir={tmp}/a", "stray"], "Unexpected argument 'stray'"),
        ("train", ["--root_dir=/dev/null/a", *SHORT], "--root_dir=/dev/null/a cannot be written"),
        (
            "train",
            ["--root_dir={tmp}/a", "--gin_file=nowhere.gin"],
            "--gin_file=nowhere.gin does not exist",
        ),
        ("train", ["--root_dir={tmp}/a"], "Give train.environment"),
        (
            "train",
            ["--root_dir={tmp}/a", *SHORT, "--gin_bindings=train.total_stps=3"],
            "named 'total_stps'",
        ),
        (
            "train",
            ["--root_dir={tmp}/a", *SHORT, "--gin_bindings=set_runtime.inter_op=-2"],
            "set_runtime.inter_op must be",
        ),
        (
            "train",
            ["--root_dir={tmp}/a", *SHORT, "--gin_bindings=actor.activation='rely'"],
            "actor: Unknown activation function",
        ),
        (
            "train",
            ["--root_dir={finished}", *SHORT, "--gin_bindings=train.seed=1"],
            "train.seed was 0, now 1",
        ),
        ("evaluate", ["--root_dir={tmp}/a"], "holds no run"),
        ("evaluate", ["--root_dir={finished}", "--episodes=0"], "--episodes"),
        ("evaluate", ["--root_dir={finished}", "--video=film.avi"], "must end in .mp4"),
        ("plot", ["--output={tmp}/c.png"], "at least one run"),
        ("plot", ["{tmp}", "--output={tmp}/c.png"], "holds no config.gin"),
        ("plot", ["{finished}", "--output={tmp}/c.txt"], "must end in .png"),
    ],
)
def test_a_mistake_gets_one_sentence_and_exit_code_2(finished, tmp_path, binary, arguments, words):
    filled = [argument.format(tmp=tmp_path, finished=finished[0]) for argument in arguments]
    code, out, err = run_binary(binary, *filled)
    assert code == 2 and words in err and out == ""
    assert (
        len(
            [
                line
                for line in err.replace("\r", "\n").splitlines()
                if line.strip() and "step/s" not in line
            ]
        )
        == 1
    ), err


def test_kill_9_and_the_same_command_goes_on(finished, tmp_path):
    """The interrupted run ends with the very numbers of the uninterrupted one."""
    root = tmp_path / "killed"
    process = start_binary("train", f"--root_dir={root}", *SHORT)
    try:
        _wait_for(lambda: list(root.glob("checkpoints/step-*")), process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    code, out, err = run_binary("train", f"--root_dir={root}", *SHORT)
    assert code == 0, err
    assert "Resuming from step" in out
    assert _evaluations(root) == _evaluations(finished[0])


def test_a_damaged_checkpoint_is_reported_and_the_one_before_used(finished, tmp_path):
    root = tmp_path / "damaged"
    shutil.copytree(finished[0], root)
    (root / "checkpoints/step-000000600/state.index").write_bytes(b"")
    code, out, err = run_binary("train", f"--root_dir={root}", *SHORT)
    assert code == 0 and f"WARNING: Checkpoint {root}/checkpoints/step-000000600 is damaged" in err
    assert "Resuming from step 400" in out
    assert _evaluations(root) == _evaluations(finished[0])


def test_sigterm_saves_and_says_so(tmp_path):
    root = tmp_path / "stopped"
    process = start_binary(
        "train", f"--root_dir={root}", *SHORT, "--gin_bindings=train.total_steps=100_000"
    )
    _wait_for(lambda: list(root.glob("checkpoints/step-*")), process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, err
    assert "Stopped by SIGTERM at step" in out.splitlines()[-1] and "Traceback" not in err


def test_a_full_disk_is_one_sentence_and_the_checkpoints_stay(finished, tmp_path):
    """No file may grow beyond 100 kB here, which is enough for the CSV files and too little for a
    checkpoint."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # noqa: E731
    code, _, err = run_binary("train", f"--root_dir={tmp_path}/full", *SHORT, preexec_fn=limit)
    assert code == 1
    last = err.replace("\r", "\n").splitlines()[-1]
    assert last.startswith(f"Cannot write in {tmp_path}/full") and "Traceback" not in err
    assert not list(Path(f"{tmp_path}/full/checkpoints").glob("step-*"))


def test_the_quickstart_learns(tmp_path):
    """Pendulum's uniform policy is at about -1,200; a solved one between -100 and -200."""
    code, _, err = run_binary(
        "train", f"--root_dir={tmp_path}", "--gin_file=gin_configs/tasks/pendulum.gin"
    )
    assert code == 0, err
    assert _evaluations(tmp_path)[-1][0] == 10_000 and _evaluations(tmp_path)[-1][1] >= -250
    with (tmp_path / "metrics.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    assert (
        float(last["critic_loss"]) > 0
        and float(last["alpha"]) < 0.5
        and int(last["replay_size"]) == 10_000
    )


def _wait_for(condition, process):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.05)
