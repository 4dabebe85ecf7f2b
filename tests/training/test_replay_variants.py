"""Whole runs with n-step returns and prioritized replay, configured by the shipped gin files."""

import pytest

from sac_tf.errors import ConfigurationError
from tests.training.left_behind import saved_rows, updates_done
from tests.training.small_runs import small_training

LEARNING = {
    "environment": "Pendulum-v1",
    "random_steps": 200,
    "checkpoint_period": 5000,
    "evaluation_period": 5000,
    "batch_size": 64,
}
LEARNING_BINDINGS = [
    "actor.hidden_units = (32, 32)",
    "critic.hidden_units = (32, 32)",
    "adam.learning_rate = 3e-3",
    "Evaluator.episodes = 5",
    "update.updates_per_call = 2",
]
LEARNED = -500
"""Return of Pendulum; a policy that has learned nothing gets about -1500."""

pytestmark = pytest.mark.usefixtures("without_export")


def _train(root, variants, *bindings, **settings):
    """Runs `variants` in the folder `root`, and returns the outcome."""
    files = [f"gin_configs/{variant}.gin" for variant in variants]
    return small_training(*bindings, files=files, **settings).run(str(root))


def test_n_step_learns_pendulum(tmp_path):
    outcome = _train(tmp_path, ["n_step"], *LEARNING_BINDINGS, total_steps=2500, **LEARNING)
    assert outcome.evaluation.return_mean > LEARNED


def test_prioritized_replay_learns_pendulum_and_resumes(tmp_path):
    """With n-step returns, which learn faster. No two such runs are equal, so this one has more
    time to learn."""
    largest = []
    for total_steps in (400, 3500):
        outcome = _train(
            tmp_path, ["per", "n_step"], *LEARNING_BINDINGS, total_steps=total_steps, **LEARNING
        )
        saved = tmp_path / f"checkpoints/step-{total_steps:09d}/replay/new_priority.txt"
        largest.append(float(saved.read_text()))
    assert outcome.evaluation.return_mean > LEARNED
    assert 1 < largest[0] <= largest[1]  # rewards of Pendulum go down to -16


def test_a_period_ends_every_window_at_its_last_successor(tmp_path):
    """Periods of 8 steps in a task of 5, and windows of 10: the updates that are due before the
    first transition wait."""
    settings = {"random_steps": 0, "total_steps": 16, "checkpoint_period": 8}
    _train(tmp_path, ["n_step"], "Windows.n = 10", discount=0.5, **settings)
    rows = saved_rows(tmp_path / "checkpoints/step-000000016")
    played = [episode[:, 1].tolist() for episode in rows]
    assert played == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3]] * 2
    ends = [episode[-2, -2] for episode in rows]
    assert ends == [0, 1, 0, 1]
    assert updates_done(tmp_path) == 16


@pytest.mark.parametrize(
    ("variant", "binding", "words"),
    [
        ("n_step", "Windows.discount = 0.9", "binding of Windows.discount has no effect"),
        ("n_step", "Windows.n = 0", "Windows.n must be an integer of at least 1, got 0"),
        ("per", "BatchReader.sampler = @ResidentSampler", "which ResidentSampler never writes"),
        ("per", "tables.sampler = @Uniform", "PrioritizedSampler needs a table"),
    ],
)
def test_contradictory_settings_are_refused(tmp_path, variant, binding, words):
    with pytest.raises(ConfigurationError, match=words):
        _train(tmp_path, [variant], binding)
