"""Settings of a distributed run: what is refused before any work, and what may differ between its
processes."""

import gin
import pytest

from binaries import launch
from sac_tf.distributed import messages
from sac_tf.distributed.connection import RunDescription, connect
from sac_tf.distributed.messages import STATUS_TABLE, send
from sac_tf.distributed.settings import configuration_of
from sac_tf.distributed.waiting import Patience
from sac_tf.errors import ConfigurationError

TASK = {"environment": "Pendulum-v1", "observation": {"": [3]}, "action": 1}
BASE = ["train.environment = 'Pendulum-v1'"]


def _configuration(*bindings, files=()):
    gin.clear_config()
    training = launch.read_training(files, [*BASE, *bindings])
    return configuration_of(training)


@pytest.fixture
def join(serve, monkeypatch):
    """Returns a function that connects a process with other bindings to a server."""
    monkeypatch.setattr(messages, "_TIMEOUT_S", 20)
    server = serve()
    status = {"task": TASK, "settings": _configuration().settings, "servers": 1}
    send(server.client, STATUS_TABLE, status)

    def join(*bindings, files=()):
        run = RunDescription(TASK, _configuration(*bindings, files=files).settings)
        return connect([server.address], run, Patience(lambda: False, print))

    return join


def test_configuration_has_the_settings_of_all_processes():
    settings = _configuration().settings
    expected = {
        "train.discount": "0.99",
        "train.batch_size": "256",
        "learner.publication_period": "100",
        "replay_server.limits": "@held_ratio",
        "held_ratio.tolerance_rows": "200",
        "tables.capacity": "1000000",
        "train.windows": "@Windows",
        "Windows.n": "1",
        "BatchReader.sampler": "None",
        "PolicySource.period": "1.0",
        "Patience.limit_s": "600.0",
        "connect.wait_s": "0.0",
        "critic_step.tau": "0.005",
    }
    assert {name: settings[name] for name in expected} == expected
    assert not {"train.replay", "tables.rate_limiter", "ReplayServer.port"} & settings.keys()


@pytest.mark.parametrize(
    ("bindings", "files", "words"),
    [
        (["critic_step.tau = 0.01"], ["gin_configs/crossq.gin"], "binding of critic_step.tau has"),
        (["NStepRows.n = 3"], [], "NStepRows"),
        (
            ["droq_torso.rate = 0.5"],
            [],
            "The binding of droq_torso.rate has no effect: no part of this run",
        ),
        (
            ["tables.rate_limiter = @reverb.rate_limiters.MinSize"],
            [],
            "The binding of tables.rate_limiter has no effect",
        ),
        (["train.replay = @BatchReader"], [], "The binding of train.replay has no effect"),
        (["ReplayServer.port = 8000"], [], "The binding of ReplayServer.port has no effect"),
        (
            ["free_ratio.minimum_rows = 3"],
            [],
            "The binding of free_ratio.minimum_rows has no effect",
        ),
        (
            ["BatchReader.sampler = @ResidentSampler"],
            [],
            "^BatchReader.sampler=@ResidentSampler keeps a copy of every step, which a distributed "
            "learner never receives; use @ReverbSampler there.$",
        ),
        (
            ["train.rewards = @RunningRewardScale"],
            [],
            "^train.rewards=@RunningRewardScale needs every reward in order, which a "
            "distributed learner never receives; use @FixedRewardScale there.$",
        ),
        (
            ["train.initialize_from = 'runs/other'"],
            [],
            r"^train.initialize_from is for one process \(binaries.train\); leave it out here.$",
        ),
    ],
)
def test_setting_without_effect_raises(bindings, files, words):
    with pytest.raises(ConfigurationError, match=words) as raised:
        _configuration(*bindings, files=files)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("bindings", "words"),
    [
        (["train.discount = 0.9"], "train.discount is 0.99 there and 0.9 here"),
        (["Windows.n = 3"], "Windows.n is 1 there and 3 here"),
        (
            ["critic.torso = @droq_torso"],
            "critic.torso is @mlp_torso there and @droq_torso here; droq_torso.rate is not set "
            "there and 0.01 here",
        ),
        (
            ["critic.torso = @droq_torso", "droq_torso.rate = 0.5"],
            "droq_torso.rate is not set there and 0.5 here",
        ),
        (["train.batch_size = 64"], "train.batch_size is 256 there and 64 here"),
        (["train.seed = 1"], "train.seed is 0 there and 1 here"),
        (["actor.hidden_units = (8,)"], r"actor.hidden_units is \(256, 256\) there and \(8,\)"),
        (["train.devices = @mirrored"], "train.devices is @one_device there and @mirrored"),
        (["learner.publication_period = 5"], "learner.publication_period is 100 there and 5 here"),
        (["held_ratio.tolerance_rows = 5"], "held_ratio.tolerance_rows is 200 there and 5 here"),
        (["tables.capacity = 5"], "tables.capacity is 1000000 there and 5 here"),
    ],
)
def test_process_with_other_settings_raises(join, bindings, words):
    words = rf"serves a run with other settings \(.*{words}.*\); give all processes the same gin"
    with pytest.raises(ConfigurationError, match=words):
        join(*bindings)


def test_settings_of_a_process_may_differ(join):
    clients = join(
        "connect.wait_s = 60",
        "set_runtime.intra_op = 2",
        "set_runtime.inter_op = 1",
        "train.num_environments = 4",
        "train.total_steps = 10",
        "Patience.limit_s = 30",
        "PolicySource.period = 0.5",
        "PolicySource.period_steps = 100",
    )
    assert len(clients) == 1
