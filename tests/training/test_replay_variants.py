"""Whole runs with n-step rows and with prioritised replay, as gin wires them."""

import gin
import numpy as np
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.training.train import Training
from tests.training.left_behind import final_state, read_rows

SMALL = [
    "actor.hidden_units = (64, 64)",
    "critic.hidden_units = (64, 64)",
    "make_update.batch_size = 64",
]
SMALL += ["adam.learning_rate = 2e-3", "Evaluator.episodes = 5", "make_update.updates_per_call = 2"]
LEARNING = {"random_steps": 500, "checkpoint_period": 3500, "evaluation_period": 3500}
LEARNED = -500
"""Return of Pendulum; a policy that has learned nothing gets about -1500."""


def _train(root, variant, *bindings, **settings):
    """Runs `variant` in the folder `root`, with `settings` of train, and returns the outcome."""
    gin.clear_config()
    bindings = [
        *SMALL,
        *bindings,
        *(f"train.{name} = {value!r}" for name, value in settings.items()),
    ]
    gin.parse_config_files_and_bindings(
        ["gin_configs/tasks/pendulum.gin", f"gin_configs/{variant}.gin"], bindings
    )
    return Training().run(str(root))


def test_n_step_learns_pendulum(tmp_path):
    assert _train(tmp_path, "n_step", total_steps=3500, **LEARNING).evaluation.return_mean > LEARNED


def test_prioritised_replay_learns_pendulum_and_goes_on(tmp_path):
    """No two such runs are equal, so this one has more time to learn."""
    largest = []
    for total_steps in (700, 6000):
        outcome = _train(
            tmp_path, "per", "adam.learning_rate = 1e-3", total_steps=total_steps, **LEARNING
        )
        saved = tmp_path / f"checkpoints/step-{total_steps:09d}/replay/new_priority.txt"
        largest.append(float(saved.read_text()))
    assert outcome.evaluation.return_mean > LEARNED
    assert 1 < largest[0] <= largest[1]  # rewards of Pendulum go down to -16


def test_n_step_runs_go_on_bit_for_bit(tmp_path):
    """Three environments, and periods that end within an episode."""
    settings = {
        "num_environments": 3,
        "random_steps": 100,
        "checkpoint_period": 200,
        "evaluation_period": 200,
    }
    for root, ends in (("whole", [600]), ("parts", [400, 600])):
        for total_steps in ends:
            _train(
                tmp_path / root,
                "n_step",
                "Evaluator.episodes = 1",
                total_steps=total_steps,
                **settings,
            )
    assert read_rows(tmp_path / "whole") == read_rows(tmp_path / "parts")
    assert final_state(tmp_path / "whole") == final_state(tmp_path / "parts")
    checkpoint = tmp_path / "parts/checkpoints/step-000000600/replay"
    assert (
        len(np.load(checkpoint / "resident_rows.npy"))
        == 600
        == int((checkpoint / "rows_added.txt").read_text())
    )


def test_a_period_ends_every_window_at_its_last_successor(tmp_path):
    """Periods of 3 steps in a task of 5, and windows of 10: the updates that are due before a first
    row wait."""
    bindings = ["NStepRows.n = 10", "GAMMA = 0.5", "make_update.updates_per_call = 1"]
    settings = {"random_steps": 0, "total_steps": 9, "checkpoint_period": 3, "evaluation_period": 9}
    _train(tmp_path, "n_step", *bindings, environment="tests.toy:Counter-v0", **settings)
    rows = np.load(tmp_path / "checkpoints/step-000000009/replay/resident_rows.npy")
    np.testing.assert_array_equal(rows[:, [1, 4, 6]], [[0, 0.25, 3], [1, 0.5, 3], [2, 1, 3]] * 3)
    rewards = -0.75 + 1.25 * rows[:, 2]
    np.testing.assert_allclose(
        rows[::3, 3], rewards[::3] + rewards[1::3] / 2 + rewards[2::3] / 4, rtol=1e-5, atol=1e-6
    )
    state = tf.train.load_checkpoint(str(tmp_path / "checkpoints/step-000000009/state"))
    assert int(state.get_tensor("state/updates/.ATTRIBUTES/VARIABLE_VALUE")) == 9


@pytest.mark.parametrize(
    ("variant", "binding", "words"),
    [
        (
            "n_step",
            "critic_step.gamma = 0.9",
            "one discount, not NStepRows.gamma = 0.99, critic_step.gamma = 0.9",
        ),
        ("n_step", "NStepRows.n = 0", "NStepRows.n must be an integer of at least 1, got 0"),
        ("per", "BatchReader.sampler = @ResidentSampler", "which ResidentSampler never writes"),
        ("per", "make_tables.sampler = @Uniform", "PrioritizedSampler needs a table"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, variant, binding, words):
    with pytest.raises(ConfigurationError, match=words):
        _train(tmp_path, variant, binding)


def test_weights_without_a_sampler_that_gives_them_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="weighted_step finds no weights"):
        _train(
            tmp_path,
            "per",
            "BatchReader.sampler = @ResidentSampler",
            "make_tables.sampler = @Uniform",
        )
