"""`binaries.record`: what is written opens with Minari itself, and equals what was played."""

import minari
import numpy as np
import pytest

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.replay.dataset import MinariEpisodes
from tests.binaries.running import call_program
from tests.pixel_tasks import Reacher

POINT = "--gin_bindings=train.environment='tests.tasks:Point-v0'"
COUNTER = "--gin_bindings=train.environment='tests.toy:Counter-v0'"


def _record(name, demonstrator, *arguments, episodes=2):
    return call_program(
        "record",
        f"--demonstrator=tests.demonstrators:{demonstrator}",
        f"--episodes={episodes}",
        f"--output={name}",
        *arguments,
    )


@pytest.fixture(scope="module")
def counted(minari_store):
    """Three episodes of the counter, each of which terminates with success."""
    code, out, err = _record("counter/recorded-v0", "one_sided", COUNTER, episodes=3)
    assert code == 0, err
    assert "Recorded 15 steps in " in out and "over 3 episodes, success rate 1.00" in out
    return minari.load_dataset("counter/recorded-v0")


def test_minari_opens_what_was_played(counted):
    assert (counted.total_episodes, counted.total_steps) == (3, 15)
    for number, episode in enumerate(counted, start=1):
        # The environment starts an episode of its own after each that ends.
        expected = [[2 * number - 1, step] for step in range(6)]
        np.testing.assert_array_equal(episode.observations, expected)
        np.testing.assert_array_equal(episode.actions, [[0.5], [-1], [-1], [-1], [-1]])
        np.testing.assert_array_equal(episode.rewards, [0.5, -1, -1, -1, -1])
        assert episode.terminations.tolist() == [False] * 4 + [True]
        assert episode.observations.dtype == np.float64 and not episode.truncations.any()
    seeds = [metadata["seed"] for metadata in counted.storage.get_episode_metadata(range(3))]
    assert seeds == [0, 1, 2]


def test_images_are_those_of_the_task_and_single_frames(minari_store):
    """Minari would compress them as JPEG. The task has stacks of two frames."""
    task = "tests.pixel_tasks:Reacher"
    bindings = [
        f"--gin_bindings=train.environment='{task}'",
        "--gin_bindings=environment.frame_stack=2",
    ]
    code, _, err = _record("reacher/expert-v0", "toward_goal", *bindings, "--seed=7")
    assert code == 0, err
    data = minari.load_dataset("reacher/expert-v0")
    assert data[0].observations.shape == (21, 1, 32, 32, 3)
    factory = EnvironmentFactory(task, frame_stack=2)
    episodes = MinariEpisodes.open("reacher/expert-v0", task, factory.spec())
    for seed, episode in enumerate(episodes, start=7):
        reacher = Reacher()
        images = [reacher.reset(seed=seed)[0]]
        images += [reacher.step(action)[0] for action in episode.action]
        np.testing.assert_array_equal(episode.observation, images)
        assert episode.reward.sum() > -6  # a random policy gets -21.3


def test_policies_of_a_run_and_exported_ones_play_alike(finished, minari_store, tmp_path):
    root, *_ = finished
    for name, source in (("a", f"--root_dir={root}"), ("b", f"--policy={root}/policy")):
        code, _, err = call_program("record", source, "--episodes=1", f"--output={tmp_path / name}")
        assert code == 0, err
    _, evaluated, _ = call_program("evaluate", f"--root_dir={root}", "--episodes=1")
    data = [minari.MinariDataset(tmp_path / name / "data") for name in "ab"]
    assert data[0].recover_environment().spec.id == "Pendulum-v1"
    first, second = (one[0] for one in data)
    np.testing.assert_array_equal(first.actions, second.actions)
    np.testing.assert_array_equal(first.observations, second.observations)
    assert f"return {first.rewards.sum():.1f}, 200 steps" in evaluated
    assert first.truncations.tolist() == [False] * 199 + [True]


def test_sampled_actions_are_those_of_training(finished, tmp_path):
    """Whole episodes, of 200 steps, up to the number of steps; the same seed draws the same."""
    root, *_ = finished
    for name, arguments in {
        "a": ["--sampled", "--steps=201"],
        "b": ["--sampled", "--episodes=1"],
        "mean": ["--episodes=1"],
    }.items():
        output = f"--output={tmp_path / name}"
        code, _, err = call_program("record", f"--root_dir={root}", output, *arguments)
        assert code == 0, err
    data = {name: minari.MinariDataset(tmp_path / name / "data") for name in ("a", "b", "mean")}
    assert (data["a"].total_steps, data["a"].total_episodes) == (400, 2)
    drawn, again, mean = (one[0].actions for one in data.values())
    np.testing.assert_array_equal(drawn, again)
    distance = np.abs(drawn - mean)
    assert 0.1 < distance.mean() < 2 and np.abs(drawn).max() <= 2


def test_only_successes_are_recorded(minari_store):
    """The first coordinate of `Reaching` starts in [-1, 1], and succeeds within 0.5."""
    task = "--gin_bindings=train.environment='tests.tasks:Reaching-v0'"
    code, out, err = _record("point/reached-v0", "still", task, "--successes_only", episodes=5)
    assert code == 0 and "success rate 1.00" in out, err
    data = minari.load_dataset("point/reached-v0")
    assert [abs(episode.observations[-1][0]) < 0.5 for episode in data] == [True] * 5
    seeds = [metadata["seed"] for metadata in data.storage.get_episode_metadata(range(5))]
    assert seeds == sorted(seeds) and seeds != [0, 1, 2, 3, 4]


def test_a_demonstrator_begins_after_the_reset(minari_store):
    code, _, err = _record("point/planned-v0", "planned", POINT, episodes=3)
    assert code == 0, err
    for episode in minari.load_dataset("point/planned-v0"):
        np.testing.assert_array_equal(episode.actions[0], -np.sign(episode.observations[0][:1]))


def _of(demonstrator, task="tests.toy:Counter-v0"):
    return [
        f"--demonstrator=tests.demonstrators:{demonstrator}",
        f"--gin_bindings=train.environment='{task}'",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "Give one of --root_dir, --policy and --demonstrator."),
        (["--policy={tmp}", "--sampled"], 2, "--sampled is for --root_dir, not --policy."),
        (["--root_dir=a", "--steps=9"], 2, "Give --episodes or --steps, and not both."),
        (
            ["--root_dir=a", "--collected"],
            2,
            "--collected writes what the run has collected: leave --episodes out.",
        ),
        (
            ["--policy={tmp}", "--gin_file=bc.gin"],
            2,
            "--gin_file and --gin_bindings are for --demonstrator: --policy has its own task.",
        ),
        ([*_of("one_sided"), "--output={tmp}"], 2, "exists already"),
        ([*_of("one_sided"), "--output=/dev/null/x"], 2, "--output=/dev/null/x cannot be written"),
        (_of("nobody"), 2, "--demonstrator=tests.demonstrators:nobody cannot be imported"),
        (_of("one_sided")[:1], 2, "Give train.environment, by --gin_file or --gin_bindings."),
        (_of("failing"), 1, "demonstrators:failing raised ZeroDivisionError (division by zero)."),
        (_of("misshapen"), 1, "which is not an action of the task: action float32 [1] from [-2]"),
        (
            [*_of("still", "tests.tasks:Point-v0"), "--successes_only"],
            2,
            "The task reports no success (EpisodeInfo.success_keys); leave --successes_only out.",
        ),
        (
            [*_of("away", "tests.tasks:Reaching-v0"), "--successes_only"],
            1,
            "Only 0 of 10 episodes succeeded, and --episodes=1 are wanted; nothing was written.",
        ),
    ],
)
def test_mistake_is_one_sentence(tmp_path, arguments, code, words):
    given = [f"--output={tmp_path / 'a'}", "--episodes=1", *arguments]
    found, out, err = call_program("record", *(text.format(tmp=tmp_path) for text in given))
    lines = [line for line in err.splitlines() if line and "episode/s" not in line]
    assert found == code and words in lines[-1] and "Recorded" not in out, err
    assert list(tmp_path.iterdir()) == []
