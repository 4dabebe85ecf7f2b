"""Seeded runs: equal ones and resumed ones are equal in every byte."""

import functools
import itertools
import json
import os
import signal

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.runs.checkpoints import CheckpointStore
from sac_tf.training.loop import Run
from tests.training.left_behind import final_state, killed, last_checkpoint, read_rows, saved_steps
from tests.training.small_runs import small_training

pytestmark = pytest.mark.usefixtures("without_export")

WHOLE = 450
UNEVEN = {
    "environment": "tests.tasks:UnevenEnds-v0",
    "num_environments": 3,
    "checkpoint_period": 90,
    "total_steps": 600,
}
"""Episodes end at random, most of them later than a checkpoint is due."""
VARIANTS = ("n_step", "normalized")


def _run(root, *variants, **settings):
    """Checkpoints lie within episodes, which take 200 steps. Two updates per call, so that an
    update may be due at a checkpoint."""
    settings = {"environment": "Pendulum-v1", "checkpoint_period": 250, **settings}
    training = small_training(
        "update.updates_per_call = 2",
        "Evaluator.episodes = 1",
        files=[f"gin_configs/{variant}.gin" for variant in variants],
        evaluation_period=150,
        **settings,
    )
    return training.run(str(root))


def _checkpoints(root):
    return sorted(int(path.name[5:]) for path in (root / "checkpoints").glob("step-*"))


def _assert_equal(first, second):
    assert read_rows(first) == read_rows(second)
    assert final_state(first) == final_state(second)
    assert _reward_scale(first) == _reward_scale(second)


def _reward_scale(root):
    path = last_checkpoint(root) / "reward_scale.json"
    return path.read_text() if path.exists() else None


@pytest.fixture(scope="module")
def normalized(tmp_path_factory):
    """The folder of an uninterrupted run with normalized observations and rewards."""
    root = tmp_path_factory.mktemp("normalized")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sac_tf.training.exporting.export", lambda *_: None)
        _run(root, "normalized", total_steps=WHOLE)
    return root


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """The folder of an uninterrupted n-step run with normalized rewards whose episodes end at
    random."""
    root = tmp_path_factory.mktemp("uneven")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sac_tf.training.exporting.export", lambda *_: None)
        _run(root, *VARIANTS, **UNEVEN)
    return root


def test_the_same_seed_gives_the_same_run_bit_for_bit(normalized, tmp_path):
    _run(tmp_path / "again", "normalized", total_steps=WHOLE)
    _run(tmp_path / "other", "normalized", total_steps=150, seed=1)
    for name in ("evaluations.csv", "metrics.csv"):
        assert read_rows(normalized, name) == read_rows(tmp_path / "again", name)
    first, again, other = map(final_state, (normalized, tmp_path / "again", tmp_path / "other"))
    assert first == again
    assert first.keys() == other.keys() and first != other


def test_a_normalized_run_resumes_bit_for_bit(normalized, tmp_path):
    assert _checkpoints(normalized) == [250, WHOLE]
    resumed = killed(normalized, tmp_path / "resumed")
    _run(resumed, "normalized", total_steps=WHOLE)
    _assert_equal(normalized, resumed)


def test_a_run_with_uneven_episodes_resumes_bit_for_bit(uneven, tmp_path):
    """Three environments and n-step rows."""
    before, last = _checkpoints(uneven)
    assert before % UNEVEN["checkpoint_period"] and last == UNEVEN["total_steps"]
    resumed = killed(uneven, tmp_path / "resumed")
    _run(resumed, *VARIANTS, **UNEVEN)
    _assert_equal(uneven, resumed)
    assert _checkpoints(resumed) == [before, last]
    assert len(saved_steps(last_checkpoint(resumed))) == last


def test_skipped_checkpoints_change_no_byte(uneven, tmp_path, monkeypatch):
    """Each checkpoint takes ten seconds of a clock that hardly moves between them: only the first
    and the last are written."""
    ticks = itertools.count(step=10)
    store = functools.partial(CheckpointStore, clock=lambda: next(ticks))
    monkeypatch.setattr("sac_tf.training.loop.CheckpointStore", store)
    _run(tmp_path / "whole", *VARIANTS, **UNEVEN)
    first, last = _checkpoints(tmp_path / "whole")
    assert first < _checkpoints(uneven)[0] and last == UNEVEN["total_steps"]
    resumed = killed(tmp_path / "whole", tmp_path / "resumed")
    _run(resumed, *VARIANTS, **UNEVEN)
    for root in (tmp_path / "whole", resumed):
        _assert_equal(uneven, root)


def test_an_interrupt_in_a_long_episode_is_repeatable(tmp_path, monkeypatch):
    """The signal comes while a checkpoint waits for the end of an episode, and a checkpoint would
    not be affordable."""
    learn = Run._learn
    store = functools.partial(CheckpointStore, clock=itertools.count(step=10).__next__)
    monkeypatch.setattr("sac_tf.training.loop.CheckpointStore", store)

    def learn_and_signal(self, step):
        if step == 150 and not (self._root_dir / "checkpoints/step-000000150").exists():
            os.kill(os.getpid(), signal.SIGTERM)
        return learn(self, step)

    monkeypatch.setattr(Run, "_learn", learn_and_signal)
    settings = {"environment": "Pendulum-v1", "checkpoint_period": 50, "total_steps": 400}
    for name in ("first", "again"):
        root = tmp_path / name
        outcome = _run(root, "sac", **settings)
        assert outcome.stopped_by == signal.SIGTERM and _checkpoints(root) == [150]
        assert _run(root, "sac", **settings).step == 400
        # 200 steps after the interrupt an episode ends.
        assert _checkpoints(root) == [350, 400]
    _assert_equal(tmp_path / "first", tmp_path / "again")


def test_statistics_are_those_of_all_raw_rows(normalized):
    assert json.loads(_reward_scale(normalized))["count"] == WHOLE
    checkpoint = last_checkpoint(normalized)
    rows = saved_steps(checkpoint)[:, :3].astype(np.float64)
    state = tf.train.load_checkpoint(str(checkpoint / "state"))
    names = state.get_variable_to_shape_map()
    means = [name for name in names if "/mean/0/" in name]
    scales = [name for name in names if "/scale/0/" in name]
    assert len(means) == len(scales) == 3  # actor, critics and target critics
    for mean, scale in zip(means, scales, strict=True):
        np.testing.assert_allclose(state.get_tensor(mean), rows.mean(0), rtol=1e-5)
        np.testing.assert_allclose(state.get_tensor(scale), 1 / rows.std(0), rtol=1e-5)
