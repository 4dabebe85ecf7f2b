"""Offline data of one's own runs: which policy is medium, and what exists is kept."""

import csv
from unittest import mock

import gymnasium
import numpy as np
import pytest
from absl import flags

from examples import demonstrators
from sac_tf.errors import ConfigurationError
from tests.binaries.running import call_program, imported
from tests.minari_data import play, write

TINY = [
    "train.environment = 'tests.tasks:Point-v0'",
    "train.total_steps = 90",
    "train.random_steps = 20",
    "train.evaluation_period = 30",
    "train.checkpoint_period = 30",
    "train.batch_size = 8",
    "update.updates_per_call = 1",
    "actor.hidden_units = (8,)",
    "critic.hidden_units = (8,)",
    "Evaluator.episodes = 1",
]


@pytest.fixture
def program():
    with imported("examples.make_offline_data") as module:
        yield module


def _call(command):
    module, *arguments = command
    code, _, err = call_program(module.removeprefix("binaries."), *arguments)
    assert code == 0, err
    return code


def _make(program, root, call):
    """Returns the modules that were run, each with `call`."""
    argv = [f"--root_dir={root}", "--steps=15", *(f"--gin_bindings={one}" for one in TINY)]
    with mock.patch.object(program, "run_program", side_effect=call) as run_program:
        assert program.main(flags.FLAGS(["make_offline_data", *argv])[1:]) == 0
    return [call.args[0][0] for call in run_program.mock_calls]


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--gin_bindings=Evaluator.episodes=0", "says where medium_run ends; leave it out."),
        ("--gin_file=gin_configs/per.gin", "BatchReader.sampler = @PrioritizedSampler cannot be"),
        ("--gin_bindings=train.total_steps=0", "train.total_steps must be an integer of at least"),
    ],
)
def test_runs_without_what_the_data_sets_need_are_refused(program, tmp_path, flag, words):
    argv = [f"--root_dir={tmp_path}", "--gin_bindings=train.environment='Pendulum-v1'", flag]
    with (
        mock.patch.object(program, "run_program") as run_program,
        pytest.raises(ConfigurationError, match=words),
    ):
        program.main(flags.FLAGS(["make_offline_data", *argv])[1:])
    assert not run_program.mock_calls


def test_four_data_sets_that_are_made_once(program, tmp_path, monkeypatch, capsys):
    """Episodes have ten steps, so that 15 steps are two of them."""
    monkeypatch.setattr("sac_tf.training.exporting.export", lambda *_: None)
    assert _make(program, tmp_path, _call).count("binaries.record") == 4
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if " steps, " in line]
    assert [line[0] for line in lines] == ["simple", "mixed", "medium", "expert"]
    assert [lines[row][1] for row in (0, 2, 3)] == ["20"] * 3
    last = list(csv.DictReader((tmp_path / "medium_run" / "evaluations.csv").open()))[-1]["step"]
    assert lines[1][1] == last
    assert _make(program, tmp_path, lambda command: 0) == ["binaries.train"] * 2


def test_medium_is_a_third_of_the_way_to_the_last_policy(program, minari_store, tmp_path):
    environment = gymnasium.make("tests.tasks:Point-v0")
    episodes = play(environment, 3)
    simple = minari_store / write("point/simple-v0", episodes, environment)
    worst = np.mean([np.sum(episode.rewards) for episode in episodes])
    shares = [0.0, 0.32, 0.34, 0.2, 0.9]
    rows = [f"{step},{worst + 8 * share}" for step, share in enumerate([*shares, 1.0], start=1)]
    (tmp_path / "evaluations.csv").write_text("\n".join(["step,return_mean", *rows, ""]))
    assert program._medium_step(tmp_path, simple) == 3


def test_a_uniform_demonstrator_follows_the_seed():
    environment = gymnasium.make("tests.toy:Counter-v0")
    actions = []
    for seed in (3, 3, 4):
        environment.reset(seed=seed)
        act = demonstrators.uniform(environment)
        actions.append(np.array([act(None) for _ in range(200)]))
    np.testing.assert_array_equal(actions[0], actions[1])
    assert not np.array_equal(actions[0], actions[2])
    assert actions[0].min() < -1.9 and 0.4 < actions[0].max() <= 0.5
