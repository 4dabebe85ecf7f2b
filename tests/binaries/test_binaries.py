"""Programs as a user starts them: exit codes, files, output, and a policy that has learned."""

import contextlib
import csv
import io
import resource
import signal
import time

import pytest

from binaries import launch, outcomes
from sac_tf.errors import RunError
from sac_tf.runs.lock import locked
from sac_tf.training.outcome import Outcome
from tests.binaries.running import SHORT, call_program, run_program, start_program
from tests.runs.curves import shown_curves, written_curve


def _evaluations(root):
    with (root / "evaluations.csv").open() as file:
        return [(int(row["step"]), float(row["return_mean"])) for row in csv.DictReader(file)]


def _metrics(root):
    with (root / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def _checkpoints(root):
    """Complete checkpoints, the newest first."""
    return sorted(root.glob("checkpoints/step-*/manifest.json"), reverse=True)


def _lines(err):
    """Lines of an error output, without the progress bar."""
    lines = err.replace("\r", "\n").splitlines()
    return [line for line in lines if line.strip() and "step/s" not in line]


def _wait_for(condition, process):
    deadline = time.monotonic() + 600
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.05)


def test_a_signal_before_the_first_step_has_saved_nothing(tmp_path, capsys):
    outcome = Outcome(step=0, evaluation=None, stopped_by=signal.SIGTERM)
    assert outcomes.report(tmp_path, outcome, "step") == 128 + signal.SIGTERM
    assert capsys.readouterr().out == "Stopped by SIGTERM before the first step.\n"


def test_train_prints_its_results_only(finished):
    root, out, err = finished
    lines = out.splitlines()
    assert lines[0].startswith("step 300: evaluation return -")
    assert lines[1].startswith("step 600: evaluation return -")
    assert lines[2].startswith("Done: 600 steps. Evaluation return -")
    for name in (
        "learning_curve.png",
        "checkpoints",
        "policy",
        "metrics.csv",
        "evaluations.csv",
        "tensorboard",
    ):
        assert (root / name).exists() and f"{root}/{name}" in out
    command = f"python -m binaries.evaluate --root_dir={root} --video={root}/policy.mp4"
    assert lines[-1] == f"Next: {command}"
    bar = [line for line in err.replace("\r", "\n").splitlines() if line.strip()]
    assert all("600" in line for line in bar), err


def test_updates_are_made(finished):
    rows = _metrics(finished[0])
    assert [row["step"] for row in rows] == ["200", "400", "600"]
    # The first 200 steps are random.
    assert rows[0]["critic_loss"] == "" and float(rows[0]["updates_per_second"]) == 0
    for row in rows[1:]:
        assert float(row["critic_loss"]) > 0 and float(row["updates_per_second"]) > 0
    assert float(rows[1]["alpha"]) > float(rows[2]["alpha"])


def test_evaluate_and_video(finished, tmp_path):
    video = tmp_path / "policy.mp4"
    code, out, err = run_program(
        "evaluate", f"--root_dir={finished[0]}", "--episodes=2", f"--video={video}"
    )
    assert code == 0, err
    assert "policy of step 600" in out and "over 2 episodes" in out and err == ""
    assert video.stat().st_size > 10_000


def test_plot(finished, tmp_path):
    curves = tmp_path / "curves.png"
    code, out, err = run_program("plot", finished[0], finished[0], f"--output={curves}")
    assert (code, out, err) == (0, f"Curves of 2 runs in {curves}\n", "")
    assert curves.read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize("program", ["train", "evaluate", "plot"])
def test_help_needs_no_tensorflow(program):
    environment = {"PATH": "", "PYTHONPATH": "", "PYTHONVERBOSE": "1"}
    code, out, err = run_program(program, "--help", env=environment)
    assert code == 0 and "--" in out
    assert "import 'absl" in err and "tensorflow" not in err and "reverb" not in err


@pytest.mark.parametrize(
    ("program", "arguments", "words"),
    [
        ("train", [], "--root_dir"),
        ("train", ["--root_dir={tmp}/a", "--no_such_flag=1"], "no_such_flag"),
        ("evaluate", ["--root_dir={tmp}/a"], "holds no run"),
        ("plot", ["--output={tmp}/c.png"], "at least one run"),
    ],
)
def test_mistake_exits_with_2(tmp_path, program, arguments, words):
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    code, out, err = run_program(program, *filled)
    assert code == 2 and words in err and out == "" and len(_lines(err)) == 1, err


@pytest.mark.parametrize(
    ("program", "arguments", "words"),
    [
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
            "SacState > policy > actor > mlp_torso: Unknown activation function",
        ),
        (
            "train",
            ["--root_dir={finished}", *SHORT, "--gin_bindings=train.seed=1"],
            "train.seed was 0, now 1",
        ),
        ("evaluate", ["--root_dir={finished}", "--episodes=0"], "--episodes"),
        ("evaluate", ["--root_dir={finished}", "--video=film.avi"], "must end in .mp4"),
        ("plot", ["{tmp}", "--output={tmp}/c.png"], "holds no config.gin"),
        ("plot", ["{finished}", "--output={tmp}/c.txt"], "must end in .png"),
    ],
)
def test_mistake_is_one_sentence(finished, tmp_path, program, arguments, words):
    filled = [argument.format(tmp=tmp_path, finished=finished[0]) for argument in arguments]
    code, out, err = call_program(program, *filled)
    assert code == 2 and words in err and out == "" and len(_lines(err)) == 1, err


def test_killed_run_resumes_before_a_damaged_checkpoint(finished, tmp_path):
    """And ends with the numbers of the uninterrupted run, in TensorBoard too."""
    root = tmp_path / "killed"
    process = start_program("train", f"--root_dir={root}", *SHORT)
    try:
        _wait_for(lambda: len(_checkpoints(root)) == 2, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    newest, before = (manifest.parent for manifest in _checkpoints(root))
    (newest / "state.index").write_bytes(b"")
    code, out, err = run_program("train", f"--root_dir={root}", *SHORT)
    assert code == 0, err
    assert f"WARNING: Checkpoint {newest} is damaged" in err
    step = int(before.name.removeprefix("step-"))
    assert f"Resuming from step {step} ({before})." in out
    assert _evaluations(root) == _evaluations(finished[0])
    curves, _ = shown_curves(root)
    written = written_curve(root / "evaluations.csv", "return_mean")
    assert dict(curves["evaluation/return_mean"]) == pytest.approx(dict(written), rel=1e-5)
    steps = [step for step, _ in curves["losses/critic_loss"]]
    assert steps == [step for step, _ in written_curve(root / "metrics.csv", "critic_loss")]


def test_sigterm_writes_a_checkpoint(tmp_path):
    process = start_program(
        "train", f"--root_dir={tmp_path}", *SHORT, "--gin_bindings=train.total_steps=100_000"
    )
    _wait_for(lambda: _checkpoints(tmp_path), process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM, err
    assert "Stopped by SIGTERM at step" in out.splitlines()[-1] and "Traceback" not in err
    assert "Rerun the same command to resume." in out.splitlines()[-1]


def test_a_folder_in_use_is_read_and_not_trained_in(finished, tmp_path):
    root = finished[0]
    with locked(root):
        code, out, err = call_program("train", f"--root_dir={root}", *SHORT)
        assert (code, out) == (2, "") and err.startswith(f"{root} is in use by process ")
        assert len(_lines(err)) == 1
        for program, arguments in {
            "evaluate": ["--root_dir={root}", "--episodes=1"],
            "plot": ["{root}", "--output={tmp}/curve.png"],
            "export_policy": ["--root_dir={root}", "--export_dir={tmp}/policy"],
        }.items():
            filled = [argument.format(root=root, tmp=tmp_path) for argument in arguments]
            code, _, err = call_program(program, *filled)
            assert code == 0, (program, err)


def _raise(error, cause=None):
    raise error from cause


@pytest.mark.parametrize(
    ("error", "cause", "printed"),
    [
        (KeyError("lost\nkey"), None, "Unexpected KeyError ('lost\\nkey'); see {log}.\n"),
        (RunError("The task broke."), ZeroDivisionError("why"), "The task broke.\n"),
    ],
)
def test_a_traceback_is_in_the_native_log(tmp_path, monkeypatch, capfd, error, cause, printed):
    """And not on the screen, which shows one sentence."""
    log = tmp_path / "native.log"
    screen = io.StringIO()
    monkeypatch.setattr(launch, "_native_logs", [log])
    with contextlib.redirect_stderr(screen):
        assert launch.exit_code(lambda: _raise(error, cause)) == 1
    assert screen.getvalue() == printed.format(log=log)
    logged = capfd.readouterr().err  # file descriptor 2
    assert "Traceback" in logged and type(cause or error).__name__ in logged


def test_an_unexpected_error_without_native_log_is_raised():
    with pytest.raises(KeyError):
        launch.exit_code(lambda: _raise(KeyError("lost")))


def test_full_disk_is_one_sentence(tmp_path):
    """Files may grow to 100 kB, enough for the CSV files and too little for a checkpoint."""
    root = tmp_path / "full"
    critic = "--gin_bindings=critic.hidden_units=(128, 128)"

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    code, _, err = run_program("train", f"--root_dir={root}", *SHORT, critic, preexec_fn=limit)
    assert code == 1
    last = err.replace("\r", "\n").splitlines()[-1]
    assert last.startswith(f"Cannot write in {root}") and "Traceback" not in err
    assert not list(root.glob("checkpoints/step-*"))


def test_quickstart_learns(tmp_path):
    """With the shipped file, and a larger learning rate for half of its steps.

    The uniform policy of Pendulum returns about -1,200; a good one -100 to -200. Seeds 0 to 2
    return -150, -227 and -154 here.
    """
    bindings = ("train.total_steps=5_000", "train.batch_size=128", "adam.learning_rate=1e-3")
    code, _, err = run_program(
        "train",
        f"--root_dir={tmp_path}",
        "--gin_file=gin_configs/tasks/pendulum.gin",
        *(f"--gin_bindings={binding}" for binding in bindings),
    )
    assert code == 0, err
    step, mean_return = _evaluations(tmp_path)[-1]
    assert step == 5_000 and mean_return >= -250
    last = _metrics(tmp_path)[-1]
    assert float(last["critic_loss"]) > 0 and float(last["alpha"]) < 0.5
    assert int(last["replay_size"]) == 5_000
