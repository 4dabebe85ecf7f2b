"""The configuration of a run: complete, readable by gin, and compared on resume."""

import gin
import pytest

from sac_tf.errors import ConfigurationError
from sac_tf.runs import gin_files
from sac_tf.runs.configuration import Configuration, differences, read_settings
from sac_tf.training.train import Training

PENDULUM = "train.environment = 'Pendulum-v1'"
VARIANTS = [
    ["adamw", "n_step"],
    ["crossq_paper"],
    ["per", "redq"],
    ["serl"],
    ["simba", "rescaled_std"],
    ["droq", "softplus_temperature"],
    ["normalized"],
]


def _configuration(*bindings, files=()):
    gin.clear_config()
    gin_files.read(list(files), [PENDULUM, *bindings])
    return Training().configuration()


@pytest.mark.parametrize("variants", VARIANTS, ids="+".join)
def test_a_saved_configuration_is_read_back_by_gin(tmp_path, variants):
    configuration = _configuration(files=[f"gin_configs/{name}.gin" for name in variants])
    configuration.save(tmp_path)
    path = tmp_path / "config.gin"
    assert read_settings(path) == configuration.settings
    gin.clear_config()
    gin.parse_config_file(str(path))
    again = Training().configuration()
    assert again.settings == configuration.settings
    again.refuse_other(tmp_path)


def test_a_configuration_lists_defaults_and_scopes():
    settings = _configuration("actor/adam.learning_rate = 1e-3").settings
    assert settings["train.environment"] == "'Pendulum-v1'"
    assert settings["train.discount"] == "0.99"
    assert settings["actor/adam.learning_rate"] == "0.001"
    assert settings["critic/adam.learning_rate"] == "0.0003"
    assert settings["critic.hidden_units"] == "(256, 256)"
    assert settings["tables.capacity"] == "1000000"


def test_every_binding_of_the_base_file_is_a_setting():
    settings = _configuration(files=["gin_configs/sac.gin"]).settings
    assert settings == _configuration().settings
    names = gin_files.bindings_in("gin_configs/sac.gin").keys()
    assert names - settings.keys() == {"adam.learning_rate"}  # each optimizer has its own scope


def test_a_resumed_run_may_change_total_steps(tmp_path):
    _configuration("train.total_steps = 100").save(tmp_path)
    _configuration("train.total_steps = 200").refuse_other(tmp_path)


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (["train.seed = 1"], ["train.seed = 2"], "train.seed was 1, now 2"),
        ([], ["adam.beta_1 = 0.5"], "actor/adam.beta_1 was 0.9, now 0.5"),
        (["tables.capacity = 10"], [], "tables.capacity was 10, now 1000000"),
        (
            ["critic.torso = @droq_torso"],
            [],
            "critic.torso was @droq_torso, now @mlp_torso; droq_torso.rate was 0.01, now not set",
        ),
    ],
)
def test_a_resumed_run_may_change_nothing_else(tmp_path, before, now, words):
    _configuration(*before).save(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        _configuration(*now).refuse_other(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"--root_dir={tmp_path} holds a run with another configuration (")
    assert words in message and "\n" not in message


def test_a_run_refuses_another_configuration_before_any_work(tmp_path):
    _configuration("train.seed = 1").save(tmp_path)
    before = (tmp_path / "config.gin").read_text()
    gin.clear_config()
    gin.parse_config([PENDULUM, "train.seed = 2"])
    with pytest.raises(ConfigurationError, match=r"\(train.seed was 1, now 2\)"):
        Training().run(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["config.gin"]
    assert (tmp_path / "config.gin").read_text() == before


def test_a_new_folder_takes_any_configuration(tmp_path):
    _configuration().refuse_other(tmp_path)


@pytest.mark.parametrize(
    ("bindings", "names"),
    [
        (["droq_torso.rate = 0.1"], "droq_torso.rate"),
        (
            ["rescale_log_std.minimum = -4.0", "droq_torso.rate = 0.1"],
            "droq_torso.rate, rescale_log_std.minimum",
        ),
        (["front/adam.learning_rate = 1e-3"], "front/adam.learning_rate"),
        (["Initialization.replay = True"], "Initialization.replay"),
        (["GAMMA = 0.9"], "GAMMA"),
    ],
)
def test_a_binding_that_nothing_uses_is_refused(bindings, names):
    with pytest.raises(ConfigurationError) as caught:
        _configuration(*bindings)
    expected = f"The binding of {names} has no effect: no part of this run uses it."
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("update.jit_compile", 1), ("Windows.with_return_to_go", "no"), ("NO", "no")],
)
def test_a_switch_is_true_or_false(name, value):
    """A value such as 'no' would be true."""
    macro = ["set_runtime.bfloat16_products = %NO"] if name == "NO" else []
    with pytest.raises(ConfigurationError) as caught:
        _configuration(f"{name} = {value!r}", *macro)
    setting = "set_runtime.bfloat16_products" if macro else name
    assert str(caught.value) == f"{setting} must be True or False, got {value!r}."


def test_a_binding_without_a_scope_is_used_in_scopes():
    settings = _configuration("adam.learning_rate = 0.1").settings
    assert settings["actor/adam.learning_rate"] == settings["critic/adam.learning_rate"] == "0.1"


def test_settings_given_in_python_are_listed():
    gin.parse_config([PENDULUM, "train.seed = 1"])
    settings = Training(seed=2, total_steps=7).configuration().settings
    assert settings["train.seed"] == "2" and settings["train.total_steps"] == "7"


def test_differences_are_named_on_both_sides():
    there = {"a.x": "1", "a.y": "2", "b.x": "3", "c.x": "4"}
    here = {"a.x": "1", "a.y": "5", "b.x": "6", "d.x": "7"}
    assert differences(there, here, ("b.",)) == [
        ("a.y", "2", "5"),
        ("c.x", "4", "not set"),
        ("d.x", "not set", "7"),
    ]


def test_values_with_equal_signs_are_read_back(tmp_path):
    text = "train.environment = 'a = b'\n"
    (tmp_path / "config.gin").write_text("import os\n\n" + text)
    assert read_settings(tmp_path / "config.gin") == {"train.environment": "'a = b'"}


def test_settings_that_may_change_are_prefixes(tmp_path):
    Configuration({"train.seed": "1", "tables.capacity": "1"}, frozenset()).save(tmp_path)
    now = {"train.seed": "1", "tables.capacity": "2"}
    Configuration(now, frozenset(), may_change=("tables.",)).refuse_other(tmp_path)
    with pytest.raises(ConfigurationError, match="tables.capacity was 1, now 2"):
        Configuration(now, frozenset()).refuse_other(tmp_path)


def test_a_run_of_an_older_version_lacks_newer_settings(tmp_path):
    """It resumes with their defaults, and not with other values."""
    _configuration().save(tmp_path)
    path = tmp_path / "config.gin"
    lines = [line for line in path.read_text().splitlines() if "Evaluator.environments" not in line]
    path.write_text("\n".join(lines))
    _configuration().refuse_other(tmp_path)
    _configuration("Evaluator.environments = None").refuse_other(tmp_path)
    with pytest.raises(ConfigurationError, match=r"Evaluator\.environments was not set, now 1"):
        _configuration("Evaluator.environments = 1").refuse_other(tmp_path)
