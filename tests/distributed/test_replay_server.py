"""The tables that a replay server makes of the configuration of its run."""

import gin
import pytest

from sac_tf.distributed.replay_server import _facts, make_run_tables
from sac_tf.distributed.settings import ReplayServerSettings
from sac_tf.errors import ConfigurationError
from sac_tf.training.train import Training


def _replay_table(**settings):
    """What Reverb says of the replay table."""
    return make_run_tables(10, Training(environment="Pendulum-v1", **settings))[0].info


def test_the_tables_of_a_server():
    tables = make_run_tables(10, Training(environment="Pendulum-v1"))
    assert [table.name for table in tables] == ["replay", "policy", "heartbeats", "board"]
    assert tables[0].info.signature["row"].shape == [10] and tables[0].info.max_size == 1_000_000


@pytest.mark.parametrize(
    ("bindings", "samples"),
    [
        ([], 256),  # 1 update a step of 256 rows
        (["train.updates_per_step = 20"], 5120),
        (["train.updates_per_step = 0.25", "train.batch_size = 64"], 16),
        (["RATIO = 2", "train.updates_per_step = %RATIO"], 512),
    ],
)
def test_samples_per_insert_are_updates_per_step_times_batch_size(bindings, samples):
    gin.parse_config(bindings)
    limiter = _replay_table().rate_limiter_info
    assert limiter.samples_per_insert == samples
    assert limiter.max_diff - limiter.min_diff == 2 * 200 * samples


@pytest.mark.parametrize(
    ("random_steps", "servers", "minimum_size", "first"),
    [(5000, 1, 1, 5000), (1000, 3, 1, 334), (0, 1, 1, 1), (100, 2, 80, 80), (100, 1, 80, 100)],
)
def test_learning_starts_after_the_random_steps_of_all_servers(
    random_steps, servers, minimum_size, first
):
    gin.parse_config(
        [f"replay_server.servers = {servers}", f"tables.minimum_size = {minimum_size}"]
    )
    info = _replay_table(random_steps=random_steps)
    assert info.rate_limiter_info.min_size_to_sample == first


def test_capacity_and_selector_are_the_ones_asked_for():
    gin.parse_config(["tables.capacity = 77", "tables.sampler = @Prioritized"])
    info = _replay_table()
    assert info.max_size == 77 and info.sampler_options.HasField("prioritized")


@pytest.mark.parametrize(("limits", "samples"), [("held_ratio", 256), ("free_ratio", None)])
def test_the_board_says_whether_the_ratio_is_held(spec, limits, samples):
    gin.parse_config(f"replay_server.limits = @{limits}")
    training = Training(environment="Pendulum-v1", random_steps=30)
    expected = {"minimum_rows": 30, "capacity": 1_000_000, "servers": 1, "total_steps": 1_000_000}
    facts = _facts(ReplayServerSettings(), training, spec, make_run_tables(10, training)[0])
    assert facts["samples_per_insert"] == samples
    assert {name: facts[name] for name in expected} == expected
    assert facts["task"] == {
        "environment": "Pendulum-v1",
        "observation": {"": [3]},
        "action": 2,
    }


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        (
            "train.updates_per_step = 0",
            "train.updates_per_step must be a number above 0, got 0",
        ),
        (
            "train.updates_per_step = '1'",
            "train.updates_per_step must be a number above 0, got '1'",
        ),
        (
            "train.batch_size = 2.5",
            "train.batch_size must be an integer of at least 1, got 2.5",
        ),
    ],
)
def test_a_ratio_that_cannot_be_held_is_refused(binding, words):
    gin.parse_config(binding)
    with pytest.raises(ConfigurationError, match=words):
        _replay_table()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"checkpoint_period": 0},
            "replay_server.checkpoint_period must be a number of seconds above 0",
        ),
        ({"checkpoint_period": float("inf")}, "replay_server.checkpoint_period must be"),
        ({"servers": 0}, "replay_server.servers must be an integer of at least 1"),
    ],
)
def test_bad_numbers_are_refused(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        ReplayServerSettings(**settings)
