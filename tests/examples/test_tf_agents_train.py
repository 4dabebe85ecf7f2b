"""The TF-Agents example runs a few hundred steps, with our agent and with theirs."""

import sys
from pathlib import Path

import pytest
import tensorflow as tf
from absl import app
from absl.testing import flagsaver
from tf_agents.agents.sac import sac_agent

from examples import tf_agents_train
from sac_tf.tf_agents import SacAgent


@pytest.mark.parametrize("agent_class", [SacAgent, sac_agent.SacAgent])
def test_the_example_updates_evaluates_and_saves_policies(
    agent_class, monkeypatch, tmp_path, capfd
):
    monkeypatch.setattr(tf_agents_train, "SacAgent", agent_class)
    arguments = [f"--root_dir={tmp_path}", "--random_steps=250", "--steps=50"]
    monkeypatch.setattr(sys, "argv", ["tf_agents_train", *arguments])
    with flagsaver.flagsaver(), pytest.raises(SystemExit) as stop:
        app.run(tf_agents_train.main)

    assert not stop.value.code
    assert "50 updates, return -" in capfd.readouterr().out
    policies = Path(tmp_path) / "policies"
    for name in ("policy", "collect_policy", "greedy_policy"):
        assert tf.saved_model.contains_saved_model(str(policies / name))
