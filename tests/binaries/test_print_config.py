"""`--print_config`: every setting with value, default and description."""

import re

import gin
import pytest

from binaries import launch
from sac_tf.distributed.settings import configuration_of
from sac_tf.runs import gin_files
from sac_tf.training.train import Training
from tests.binaries.running import call_program

_SETTING = re.compile(r"^([\w/]+\.\w+) = (.*?)(?:  # default: .*)?$", re.MULTILINE)


def _printed(*arguments, program="train"):
    code, out, err = call_program(program, "--print_config", *arguments)
    assert (code, err) == (0, ""), err
    return out


def test_it_lists_every_setting_of_the_run(tmp_path):
    out = _printed("--gin_file=redq.gin", "--gin_file=tasks/ant.gin")
    gin_files.read(["redq.gin", "tasks/ant.gin"], [])
    settings = Training().configuration().settings
    assert dict(_SETTING.findall(out)) == settings and len(settings) > 70


def test_values_have_defaults_and_descriptions():
    out = _printed("--gin_file=redq.gin", "--gin_bindings=actor/adam.learning_rate=1e-3")
    assert "\n# number of critics, N.\ncritic.ensemble_size = 10  # default: 2\n" in out
    assert "\nactor/adam.learning_rate = 0.001  # default: 0.0003\n" in out
    assert "\nactor_step.pool = @mean_q  # default: @minimum_q\n" in out
    assert "\n# widths of the hidden layers.\nactor.hidden_units = (256, 256)\n" in out


def test_it_needs_neither_task_nor_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "\n# train.environment = (required)\n" in _printed()
    assert list(tmp_path.iterdir()) == []


def test_an_offline_run_needs_a_data_set_but_no_task():
    out = _printed("--gin_file=bc.gin", program="train_offline")
    assert "\n# train.environment = (that of the data set)\n" in out
    assert "\n# train_offline.dataset = (required)\n" in out


@pytest.mark.parametrize("program", ["replay_server", "learner", "collector", "evaluator"])
def test_distributed_programs_list_the_settings_of_all(program):
    out = _printed("--gin_file=droq.gin", "--gin_file=tasks/ant.gin", program=program)
    training = launch.read_training(["droq.gin", "tasks/ant.gin"], [])
    settings = configuration_of(training).settings
    assert dict(_SETTING.findall(out)) == settings and "Patience.limit_s" in settings
    assert "# critic updates between two publications of the policy.\nlearner." in out


def test_without_it_distributed_programs_need_their_flags():
    code, out, err = call_program("learner", "--replay_address=localhost:1")
    assert code == 2 and out == "" and err.endswith("Give --root_dir.\n") and err.count("\n") == 1


def test_what_it_prints_is_a_gin_file(tmp_path):
    out = _printed("--gin_file=per.gin", "--gin_file=simba.gin", "--gin_file=tasks/pendulum.gin")
    file = tmp_path / "all.gin"
    file.write_text(out)
    assert _printed(f"--gin_file={file}") == out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--print_config", "--gin_file=nowhere.gin"], "--gin_file=nowhere.gin does not exist"),
        (["--print_config", "--gin_bindings=droq_torso.rate=0.5"], "droq_torso.rate has no effect"),
        ([], "Give --root_dir, the folder of the run."),
    ],
)
def test_mistake_is_one_sentence(arguments, words):
    code, out, err = call_program("train", *arguments)
    assert code == 2 and words in err and out == "" and len(err.splitlines()) == 1
    assert not gin.config_is_locked()
