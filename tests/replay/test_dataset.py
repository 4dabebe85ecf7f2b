"""Minari data sets: what is read equals what was played, and what is refused."""

import json
import shutil

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError
from sac_tf.replay.dataset import MinariEpisodes
from sac_tf.replay.dataset_writer import MinariWriter, Played
from tests.minari_data import play, write

COUNTER = "tests.toy:Counter-v0"


class Everything(gymnasium.Env):
    """Observes an image, a category and a number; actions in two arrays."""

    observation_space = spaces.Dict(
        {
            "image": spaces.Box(0, 255, (4, 5, 3), np.uint8),
            "kind": spaces.Discrete(3, start=1),
            "place": spaces.Box(-9, 9, (2,), np.float64),
        }
    )
    action_space = spaces.Dict(
        {"arm": spaces.Box(-2, 6, (2,), np.float32), "hand": spaces.Box(0, 1, (1,), np.float64)}
    )

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self._steps = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self._steps += 1
        return self.observation_space.sample(), 0.0, False, self._steps == 3, {}


def _open(name, task=COUNTER):
    factory = EnvironmentFactory(task)
    return MinariEpisodes.open(name, factory.title, factory.spec())


@pytest.fixture(scope="module")
def counted(minari_store):
    """Six episodes of the counter: those with odd numbers terminate."""
    environment = gymnasium.make(COUNTER)
    episodes = play(environment, 6)
    return minari_store / write("counter/random-v0", episodes, environment), episodes


def test_episodes_are_those_that_were_played(counted):
    _, played = counted
    data = _open("counter/random-v0")
    assert data.rows == 6 * 6
    for number, (read, episode) in enumerate(zip(data, played, strict=True), start=1):
        np.testing.assert_array_equal(read.observation, [[number, step] for step in range(6)])
        # Actions of this task are in [-2, 0.5].
        np.testing.assert_allclose(read.action * 1.25 - 0.75, episode.actions, atol=1e-6)
        np.testing.assert_array_equal(read.reward, np.float32(episode.rewards))
        terminates = number % 2 == 1
        assert read.discount.tolist() == [1, 1, 1, 1, 0 if terminates else 1]
        assert {read.observation.dtype, read.action.dtype, read.reward.dtype} == {np.dtype("f4")}


def test_a_folder_is_read_as_an_id_is(counted):
    folder, _ = counted
    for first, second in zip(_open(folder), _open("counter/random-v0"), strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, first, second)


def test_an_action_out_of_bounds_is_clipped(minari_store):
    environment = gymnasium.make(COUNTER)
    (episode,) = play(environment, 1)
    episode.actions[:2] = [[-9], [9]]
    write("counter/beyond-v0", [episode], environment)
    (read,) = _open("counter/beyond-v0")
    assert read.action[:2].tolist() == [[-1], [1]]


def test_bytes_categories_and_parts_of_actions(minari_store, monkeypatch):
    """An image is stored with an axis before it: Minari would compress [H, W, C]."""
    environment = Everything()
    (episode,) = play(environment, 1)
    images = episode.observations["image"]
    episode.observations["image"] = images[:, np.newaxis]
    place = spaces.Box(0, 255, (1, 4, 5, 3), np.uint8)
    observed = spaces.Dict({**environment.observation_space, "image": place})
    monkeypatch.setattr(Everything, "observation_space", observed)
    write("test/everything-v0", [episode], environment)
    monkeypatch.undo()
    (read,) = _open("test/everything-v0", Everything)
    assert read.observation["image"].dtype == np.uint8
    np.testing.assert_array_equal(read.observation["image"], images)
    np.testing.assert_array_equal(
        read.observation["place"], np.float32(episode.observations["place"])
    )
    kinds = np.eye(3)[np.asarray(episode.observations["kind"]) - 1]
    np.testing.assert_array_equal(read.observation["kind"], kinds)
    arm = episode.actions["arm"] / 4 - 0.5
    np.testing.assert_allclose(
        read.action, np.hstack([arm, 2 * episode.actions["hand"] - 1]), atol=1e-6
    )


class Matrix(gymnasium.Env):
    """Observes a matrix of bytes; one of 32 x 32 or more is an image for Minari."""

    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, size):
        self.observation_space = spaces.Box(0, 255, (size, size), np.uint8)


@pytest.mark.parametrize("size", [4, 40])
def test_matrices_of_bytes_are_written_as_they_are(tmp_path, size):
    environment = Matrix(size)
    environment.observation_space.seed(0)
    seen = [environment.observation_space.sample() for _ in range(4)]
    episode = Played(0, seen, [np.zeros(1)] * 3, [0.0] * 3, [False] * 3, [False, False, True])
    MinariWriter(tmp_path, "matrix-v0", environment, "a test").add(episode)
    spec = EnvironmentFactory(lambda: environment).spec()
    (read,) = MinariEpisodes.open(tmp_path, "the matrix", spec)
    np.testing.assert_array_equal(read.observation, seen)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (
            "Pendulum-v1",
            r"is not of Pendulum-v1: it has observations \(observation float32 \[2\]\)",
        ),
        ("tests.toy:Uneven-v0", r"it has actions \(action float32 \[1\] from \[-2\] to \[0.5\]\)"),
        ("tests.toy:Pixels-v0", r"instead of \(observation uint8 \[2\]\)"),
    ],
)
def test_a_data_set_of_another_task_is_refused(counted, task, words):
    with pytest.raises(ConfigurationError, match=words):
        _open("counter/random-v0", task)


def test_a_wrong_id_is_refused(minari_store):
    with pytest.raises(ConfigurationError, match="There is no data set counter/expert-v7"):
        _open("counter/expert-v7")


def _copy(counted, tmp_path):
    return shutil.copytree(counted[0], tmp_path / "copy")


def test_an_empty_data_set_is_refused(counted, tmp_path):
    folder = _copy(counted, tmp_path)
    metadata = folder / "data/metadata.json"
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"total_episodes": 0}))
    with pytest.raises(ConfigurationError, match="has no episodes"):
        _open(folder)


@pytest.mark.parametrize("file", ["metadata.json", "main_data.hdf5"])
def test_a_truncated_file_is_refused(counted, tmp_path, file):
    folder = _copy(counted, tmp_path)
    path = folder / "data" / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ConfigurationError, match=f"The data set {folder} cannot be read"):
        list(_open(folder))


def test_an_episode_that_is_missing_is_refused(counted, tmp_path):
    folder = _copy(counted, tmp_path)
    metadata = folder / "data/metadata.json"
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"total_episodes": 9}))
    with pytest.raises(
        ConfigurationError, match=f"The data set {folder} cannot be read .*episode_6"
    ):
        list(_open(folder))
