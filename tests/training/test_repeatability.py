"""Seeded runs: equal ones and resumed ones are equal in every byte."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.training.left_behind import final_state, last_checkpoint, read_rows
from tests.training.small_runs import small_training

pytestmark = pytest.mark.usefixtures("without_export")

WHOLE = 450
PART = 300


def _run(root, variant, **settings):
    """Checkpoints lie within episodes, which take 200 steps. Two updates per call, so that an
    update may be due at a checkpoint."""
    training = small_training(
        "update.updates_per_call = 2",
        "Evaluator.episodes = 1",
        files=[f"gin_configs/{variant}.gin"],
        environment="Pendulum-v1",
        evaluation_period=150,
        checkpoint_period=150,
        **settings,
    )
    training.run(str(root))


@pytest.fixture(scope="module")
def normalized(tmp_path_factory):
    """The folder of an uninterrupted run with normalized observations and rewards."""
    root = tmp_path_factory.mktemp("normalized")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sac_tf.training.exporting.export", lambda *_: None)
        _run(root, "normalized", total_steps=WHOLE)
    return root


def _reward_scale(root):
    return (last_checkpoint(root) / "replay/reward_scale.json").read_text()


def test_the_same_seed_gives_the_same_run_bit_for_bit(normalized, tmp_path):
    _run(tmp_path / "again", "normalized", total_steps=WHOLE)
    _run(tmp_path / "other", "normalized", total_steps=150, seed=1)
    for name in ("evaluations.csv", "metrics.csv"):
        assert read_rows(normalized, name) == read_rows(tmp_path / "again", name)
    first, again, other = map(final_state, (normalized, tmp_path / "again", tmp_path / "other"))
    assert first == again
    assert first.keys() == other.keys() and first != other


def test_a_normalized_run_resumes_bit_for_bit(normalized, tmp_path):
    for total_steps in (PART, WHOLE):
        _run(tmp_path, "normalized", total_steps=total_steps)
    assert read_rows(normalized) == read_rows(tmp_path)
    assert final_state(normalized) == final_state(tmp_path)
    assert _reward_scale(normalized) == _reward_scale(tmp_path)


def test_an_n_step_run_resumes_bit_for_bit(tmp_path):
    """Three environments, without normalization."""
    _run(tmp_path / "whole", "n_step", num_environments=3, total_steps=WHOLE)
    for total_steps in (PART, WHOLE):
        _run(tmp_path / "parts", "n_step", num_environments=3, total_steps=total_steps)
    assert read_rows(tmp_path / "whole") == read_rows(tmp_path / "parts")
    assert final_state(tmp_path / "whole") == final_state(tmp_path / "parts")
    replay = last_checkpoint(tmp_path / "parts") / "replay"
    assert len(np.load(replay / "resident_rows.npy")) == WHOLE
    assert int((replay / "rows_added.txt").read_text()) == WHOLE


def test_statistics_are_those_of_all_raw_rows(normalized):
    assert json.loads(_reward_scale(normalized))["count"] == WHOLE
    checkpoint = last_checkpoint(normalized)
    rows = np.load(checkpoint / "replay/resident_rows.npy")[:, :3].astype(np.float64)
    state = tf.train.load_checkpoint(str(checkpoint / "state"))
    names = state.get_variable_to_shape_map()
    means = [name for name in names if "/mean/0/" in name]
    scales = [name for name in names if "/scale/0/" in name]
    assert len(means) == len(scales) == 3  # actor, critics and target critics
    for mean, scale in zip(means, scales, strict=True):
        np.testing.assert_allclose(state.get_tensor(mean), rows.mean(0), rtol=1e-5)
        np.testing.assert_allclose(state.get_tensor(scale), 1 / rows.std(0), rtol=1e-5)
