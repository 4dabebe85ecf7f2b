"""`binaries.evaluate`: episodes, files, videos; and runs with other evaluations."""

import csv
import json
import os
import re
import signal

import imageio
import numpy as np
import pytest

from tests.binaries.running import SHORT, call_program

REACHING = [
    *SHORT,
    "--gin_bindings=train.environment='tests.tasks:Reaching-v0'",
    "--gin_bindings=train.total_steps=50",
    "--gin_bindings=train.random_steps=40",
    "--gin_bindings=train.evaluation_period=20",
    "--gin_bindings=Evaluator.environments=2",
    "--gin_bindings=EpisodeInfo.keys=('x_position',)",
]


@pytest.fixture(scope="module")
def reaching(tmp_path_factory):
    """Folder and output of a run that reports success."""
    root = tmp_path_factory.mktemp("runs") / "reaching"
    code, out, err = call_program("train", f"--root_dir={root}", *REACHING)
    assert code == 0, err
    return root, out


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Returns the folder of a policy for one of the tasks that render."""
    root = tmp_path_factory.mktemp("runs") / "pictures"
    settings = ["Evaluator.episodes=0", "train.environment='tests.tasks:Picture-v0'"]
    bindings = [f"--gin_bindings={setting}" for setting in settings]
    code, out, err = call_program("train", f"--root_dir={root}", *REACHING[:-2], *bindings)
    assert code == 0, err
    assert "No evaluation (Evaluator.episodes = 0), so there is no learning curve." in out
    assert not (root / "learning_curve.png").exists()

    def of_task(task):
        spec = root / "policy/policy_spec.json"
        content = json.loads(spec.read_text())
        content["environment"]["task"] = task if ":" in task else f"tests.tasks:{task}-v0"
        spec.write_text(json.dumps(content))
        return root / "policy"

    return of_task


def test_a_run_prints_success(reaching):
    root, out = reaching
    assert re.search(r"step 20: evaluation return .* over 10 episodes, success rate \d.\d\d", out)
    assert f"best policy  {root}/best_policy" in out


def test_every_episode_is_printed_and_written(reaching, tmp_path):
    root, _ = reaching
    files = [tmp_path / "episodes.csv", tmp_path / "episodes.json"]
    outputs = []
    for path in files:
        code, out, err = call_program("evaluate", f"--root_dir={root}", f"--output={path}")
        assert code == 0, err
        outputs.append(out.splitlines())
    lines = outputs[0][1:]
    assert lines[0].startswith("episode 1: return ") and ", 10 steps, success " in lines[0]
    assert len([line for line in lines if line.startswith("episode")]) == 10
    written = json.loads(files[1].read_text())
    rows = list(csv.DictReader(files[0].open()))
    returns = [float(row["return"]) for row in rows]
    assert returns == [episode["return"] for episode in written["episodes"]]
    assert [row["seed"] for row in rows] == [str(seed) for seed in range(10)]
    assert written["return_mean"] == pytest.approx(np.mean(returns))
    assert written["success_once"] == np.mean([float(row["success_once"]) for row in rows])
    assert written["success_rate"] == np.mean([float(row["success"]) for row in rows])
    assert written["info_x_position"] == np.mean([float(row["info_x_position"]) for row in rows])
    low, high = written["return_interval"]
    assert (low + high) / 2 == pytest.approx(np.mean(returns))
    # 2.262 is the 97.5% quantile of Student's t with 9 degrees of freedom.
    assert (high - low) / 2 == pytest.approx(2.2622 * np.std(returns, ddof=1) / 10**0.5, rel=1e-4)
    assert f"95% interval of the mean [{low:.1f}, {high:.1f}], mean length 10.0" in lines


def test_the_best_policy_can_be_evaluated(reaching):
    root, _ = reaching
    best = json.loads((root / "checkpoints/best/evaluation.json").read_text())
    code, out, err = call_program("evaluate", f"--policy={root}/best_policy", "--episodes=1")
    assert code == 0, err
    assert f"policy of step {best['step']:,} ({root}/best_policy)" in out
    assert "interval" not in out and "Mean length 10.0" in out


def test_the_task_is_made_as_its_settings_say(tmp_path, monkeypatch):
    """In training, in evaluations, and with an exported policy."""
    from tests import spaces

    gains = []
    made = spaces.NeedsArgument.__init__

    def noted(self, gain):
        gains.append(gain)
        made(self, gain)

    monkeypatch.setattr(spaces.NeedsArgument, "__init__", noted)
    bindings = [
        "train.environment='tests.spaces:make_point'",
        "environment.arguments={'gain': 2}",
        "environment.evaluation_arguments={'gain': 5}",
        "environment.max_episode_steps=7",
        "environment.wrappers=['TimeAwareObservation', ('FrameStackObservation', {'stack_size': 2})"
        ", 'FlattenObservation']",
    ]
    bindings += ["Evaluator.episodes=1", "train.evaluation_period=50"]
    flags = [f"--gin_bindings={binding}" for binding in bindings]
    code, _, err = call_program("train", f"--root_dir={tmp_path}", *REACHING, *flags)
    assert code == 0 and gains == [2, 5], err
    for source in (f"--root_dir={tmp_path}", f"--policy={tmp_path}/policy"):
        code, out, err = call_program("evaluate", source, "--episodes=1")
        assert code == 0 and "episode 1: return" in out and "Mean length 7.0" in out, err
        assert gains.pop() == 5
    (leaf,) = json.loads((tmp_path / "policy/policy_spec.json").read_text())["observation"]
    assert leaf["shape"] == [2 * (3 + 1)]


def test_success_is_plotted(reaching, tmp_path):
    picture = tmp_path / "success.png"
    code, out, _ = call_program("plot", reaching[0], "--y=success_rate", f"--output={picture}")
    assert (code, out) == (0, f"Curve of 1 run in {picture}\n") and picture.exists()


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--output={tmp}/x.txt", "must end in .json or .csv"),
        ("--output={tmp}/no/x.csv", "its folder does not exist"),
        ("--output={tmp}/folder.csv", "/folder.csv is a folder"),
        ("--video={tmp}/no/x.mp4", "its folder does not exist"),
        ("--environments=0", "--environments"),
    ],
)
def test_flags_that_cannot_work_are_refused(reaching, tmp_path, flag, words):
    (tmp_path / "folder.csv").mkdir()
    flags = [f"--root_dir={reaching[0]}", flag.format(tmp=tmp_path)]
    code, out, err = call_program("evaluate", *flags)
    assert code == 2 and words in err and out == "" and len(err.splitlines()) == 1


def test_a_signal_leaves_an_evaluation(reaching, tmp_path, monkeypatch):
    from tests import tasks

    step = tasks.Reaching.step
    signals = iter([signal.SIGINT])

    def signaled(self, action):
        for number in signals:
            os.kill(os.getpid(), number)
        return step(self, action)

    monkeypatch.setattr(tasks.Reaching, "step", signaled)
    output = tmp_path / "episodes.csv"
    code, out, _ = call_program("evaluate", f"--root_dir={reaching[0]}", f"--output={output}")
    assert code == 130 and "Stopped by SIGINT before all episodes were played." in out
    assert not output.exists()


@pytest.mark.parametrize(("task", "fps", "size"), [("Picture", 50, 32), ("TwoPictures", 30, 64)])
def test_a_video_has_the_last_frame_at_the_rate_of_the_task(pictures, tmp_path, task, fps, size):
    video = tmp_path / "video.mp4"
    flags = ["--episodes=1", "--environments=1", f"--video={video}"]
    code, out, err = call_program("evaluate", f"--policy={pictures(task)}", *flags)
    assert code == 0, err
    assert f"Video of 7 frames in {video}" in out
    reader = imageio.get_reader(video)
    assert reader.get_meta_data()["fps"] == fps and reader.get_meta_data()["size"] == (size, 32)
    frames = [frame[:, :32].mean() for frame in reader]
    np.testing.assert_allclose(frames, 20 * np.arange(7), atol=6)


def test_a_renderer_that_fails_is_one_sentence(pictures, tmp_path, monkeypatch):
    monkeypatch.delitem(__import__("sys").modules, "mujoco", raising=False)
    flags = ["--episodes=1", f"--video={tmp_path}/video.mp4"]
    code, _, err = call_program("evaluate", f"--policy={pictures('NoPicture')}", *flags)
    assert code == 1
    assert err == f"The video {tmp_path}/video.mp4 cannot be recorded (no display found).\n"


def test_a_task_without_pictures_is_refused_before_any_episode(pictures, tmp_path):
    flags = ["--episodes=1", f"--video={tmp_path}/video.mp4"]
    policy = pictures("tests.spaces:NoRenderMode-v0")
    code, out, err = call_program("evaluate", f"--policy={policy}", *flags)
    assert code == 2 and out == ""
    assert "A video needs a constructor that takes render_mode" in err
