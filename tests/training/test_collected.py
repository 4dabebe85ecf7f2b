"""The steps that a run has collected become a data set with which it could have been collected."""

import minari
import numpy as np
import pytest
import tree

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError
from sac_tf.replay.dataset import MinariEpisodes
from sac_tf.training.collected import write_collected
from sac_tf.training.datasets import ReplayEpisodes
from tests.training.small_runs import small_training


def _collect(root, task):
    settings = {"total_steps": 40, "random_steps": 40, "environment": task}
    small_training("Evaluator.episodes = 0", **settings).run(str(root))


@pytest.mark.usefixtures("without_export")
@pytest.mark.parametrize("task", ["tests.toy:Counter-v0", "tests.spaces:DictOfAll-v0"])
def test_the_data_set_equals_the_replay(tmp_path, task):
    """All kinds of observations; uneven bounds of actions; ends by a time limit and by the task."""
    root = tmp_path / "run"
    _collect(root, task)
    factory = EnvironmentFactory(task)
    found = write_collected(root, factory, str(tmp_path / "data"))
    spec = factory.spec()
    expected = list(ReplayEpisodes.open(root, task, spec))
    written = list(MinariEpisodes.open(found.folder, task, spec))
    assert len(expected) == len(written) == len(found.episodes) > 1
    for one, other, episode in zip(expected, written, found.episodes, strict=True):
        tree.assert_same_structure(one, other)
        for left, right in zip(tree.flatten(one), tree.flatten(other), strict=True):
            np.testing.assert_allclose(left, right, atol=1e-6)
        assert episode.length == len(one.reward)
        assert episode.total_reward == pytest.approx(one.reward.sum())
    with pytest.raises(ConfigurationError, match="exists already"):
        write_collected(root, factory, str(tmp_path / "data"))


def test_an_offline_run_has_collected_nothing(tmp_path):
    (tmp_path / "config.gin").write_text("train_offline.dataset = 'point/random-v0'\n")
    with pytest.raises(ConfigurationError, match="learned from a data set and has collected"):
        write_collected(tmp_path, EnvironmentFactory("tests.toy:Counter-v0"), str(tmp_path / "x"))


@pytest.mark.usefixtures("without_export")
def test_its_numbers_are_those_of_the_task(tmp_path):
    """The counter observes (episode, step); its reward is the action, from -2 to 0.5."""
    root = tmp_path / "run"
    _collect(root, "tests.toy:Counter-v0")
    write_collected(root, EnvironmentFactory("tests.toy:Counter-v0"), str(tmp_path / "data"))
    for episode in minari.MinariDataset(tmp_path / "data" / "data"):
        number = episode.observations[0, 0]
        np.testing.assert_array_equal(episode.observations, [[number, step] for step in range(6)])
        np.testing.assert_allclose(episode.actions[:, 0], episode.rewards, atol=1e-6)
        assert episode.observations.dtype == np.float64
        assert episode.terminations.tolist() == [False] * 4 + [number % 2 == 1]
        assert episode.truncations.tolist() == [False] * 4 + [number % 2 == 0]
