"""Normalized scores: the returns of d4rl, and those that a data set names."""

import gymnasium
import minari
import pytest

from sac_tf.training.scores import normalized_score
from sac_tf.types import Evaluation
from tests.minari_data import play, write


def _evaluation(return_mean):
    return Evaluation(return_mean, 0.0, 10, success_rate=None, success_once=None, info={})


@pytest.fixture(scope="module")
def dataset(minari_store):
    environment = gymnasium.make("tests.tasks:Point-v0")
    return write("point/scored-v0", play(environment, 1), environment)


def test_scores_are_those_of_d4rl(dataset, tmp_path):
    """(4500 + 280.2) / (12135 + 280.2) is 0.385."""
    score = normalized_score("HalfCheetah-v5", dataset, _evaluation(4500.0))
    assert score == "38.5, normalized: 0 is -280.2 and 100 is 12135.0 (d4rl's HalfCheetah)"
    pen = normalized_score("gymnasium_robotics:AdroitHandPen-v1", dataset, _evaluation(96.262799))
    assert pen.startswith("0.0, normalized") and pen.endswith("(d4rl's AdroitHandPen)")
    (tmp_path / "config.gin").touch()  # the steps of a run
    assert normalized_score("Hopper-v5", str(tmp_path), _evaluation(3234.3)).startswith("100.0,")
    assert normalized_score("HalfCheetah-v5", dataset, None) is None
    assert normalized_score("tests.tasks:Point-v0", dataset, _evaluation(1.0)) is None


def test_returns_of_the_data_set_come_first(dataset, minari_store):
    storage = minari.MinariDataset(minari_store / dataset / "data").storage
    storage.update_metadata({"ref_min_score": -10.0, "ref_max_score": 30.0})
    for name in (dataset, str(minari_store / dataset)):
        score = normalized_score("HalfCheetah-v5", name, _evaluation(0.0))
        assert score == "25.0, normalized: 0 is -10.0 and 100 is 30.0 (of the data set)"
