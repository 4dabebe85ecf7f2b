"""Settings of a run that cannot work are refused in one sentence, before any work."""

import pytest

from sac_tf.errors import ConfigurationError
from tests.training.small_runs import small_training


def _first_line(error):
    """Returns the message without the names of configurables, which gin appends."""
    return str(error).split("\n  In call to configurable")[0]


def _refusal(tmp_path, *bindings, **settings):
    """Returns the message of a run that is refused."""
    with pytest.raises(ConfigurationError) as caught:
        small_training(*bindings, **settings).run(str(tmp_path))
    assert not (tmp_path / "config.gin").exists()
    return _first_line(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"total_steps": 0}, "train.total_steps must be an integer of at least 1, got 0"),
        ({"total_steps": 1e6}, "train.total_steps must be an integer of at least 1, got 1000000.0"),
        ({"random_steps": -1}, "train.random_steps must be an integer of at least 0, got -1"),
        ({"seed": "x"}, "train.seed must be an integer of at least 0, got 'x'"),
        ({"num_environments": 0}, "train.num_environments must be an integer of at least 1, got 0"),
        (
            {"environment": 3},
            "train.environment must be the id of a task or a function that makes it, got 3",
        ),
        ({"updates_per_step": 0}, "train.updates_per_step must be a number above 0, got 0"),
        ({"batch_size": 0}, "train.batch_size must be an integer of at least 1, got 0"),
        ({"discount": 1.5}, "train.discount must be a number from 0 to 1, got 1.5"),
    ],
)
def test_bad_settings_are_refused(tmp_path, settings, words):
    message = _refusal(tmp_path, **settings)
    assert words in message and "\n" not in message


def test_actor_steps_between_calls_are_refused(tmp_path):
    message = _refusal(tmp_path, "sac_steps.critic_steps_per_actor_step = 3")
    assert "must be a multiple of" in message and "\n" not in message


def test_a_batch_larger_than_the_replay_is_refused(tmp_path):
    message = _refusal(tmp_path, "tables.capacity = 10", batch_size=256)
    assert "batch_size=256 is larger than the replay, tables.capacity=10" in message


@pytest.mark.parametrize(
    ("setting", "bindings"),
    [
        ("tables.sampler", ["tables.sampler = @Lifo"]),
        ("tables.minimum_size", ["tables.minimum_size = 10_000"]),
        (
            "tables.rate_limiter",
            [
                "tables.rate_limiter = @SampleToInsertRatio",
                "SampleToInsertRatio.samples_per_insert = 1.0",
                "SampleToInsertRatio.error_buffer = 100.0",
            ],
        ),
        ("tables.remover", ["tables.remover = @Lifo"]),
    ],
)
def test_settings_of_a_table_without_samples_are_refused(tmp_path, setting, bindings):
    """`ResidentSampler` draws from its own copy of the rows, never from the table."""
    message = _refusal(tmp_path, *bindings)
    assert message.startswith(f"{setting} has no effect: ResidentSampler keeps its own copy")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("binding", "name"),
    [
        ("critic_step.tau = 0.1", "critic_step.tau"),
        ("actor/adam.beta_2 = 0.5", "actor/adam.beta_2"),
    ],
)
def test_a_binding_that_nothing_uses_is_refused(tmp_path, binding, name):
    others = ["sac_steps.critic_step = @crossq_step", "SacState.actor_optimizer = @critic/adam"]
    imported = "import sac_tf.agents.sac.crossq"
    message = _refusal(tmp_path, imported, binding, *others)
    assert message.startswith(f"The binding of {name} has no effect")


def test_a_target_entropy_that_no_policy_has_is_refused(tmp_path):
    """Unless the temperature is fixed, which needs no target."""
    binding = "target_entropy = 1.0"
    message = _refusal(tmp_path, f"Temperature.{binding}")
    assert message == (
        "Temperature.target_entropy=1 is above the largest entropy of a policy with 1 bounded "
        "actions, 0.693; the usual target is -1."
    )
    fixed = small_training(
        f"Temperature.{binding}", "sac.alpha_step = None", total_steps=20, random_steps=20
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sac_tf.training.exporting.export", lambda *_: None)
        assert fixed.run(str(tmp_path)).step == 20
