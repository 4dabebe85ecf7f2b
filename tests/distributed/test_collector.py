"""The collector: what it collected before an error of its task is in the replay, with the present
priority of new transitions."""

import itertools
import time

import pytest

from sac_tf.distributed import collector
from sac_tf.distributed.messages import PublishedPolicy, publish, values_of
from sac_tf.errors import ConfigurationError, RunError
from sac_tf.replay.tables import REPLAY_TABLE
from sac_tf.training import collecting
from tests import tasks
from tests.training.small_runs import small_training
from tests.waiting import wait_for_items


@pytest.mark.parametrize("variant", ["sac", "n_step"])
def test_rows_in_flight_are_sent_when_the_task_raises(serve_run, tmp_path, monkeypatch, variant):
    """129 steps: the last block of 16 rows has one, and windows of 3 steps hold back two."""
    monkeypatch.setattr(tasks.ConnectionLost, "count", 0)
    training = small_training(
        environment="tests.tasks:ConnectionLost-v0",
        files=[f"gin_configs/{variant}.gin"],
        random_steps=1000,
        total_steps=2000,
    )
    server, address = serve_run(training)
    with pytest.raises(RunError) as caught:
        collector.run(tmp_path, [address], "robot", training)
    assert str(caught.value) == (
        "tests.tasks:ConnectionLost-v0 raised ConnectionResetError in step() ([Errno 104] "
        "Connection reset by peer). All 129 steps collected here are in the replay."
    )
    wait_for_items([server._server], 129)


def test_configuration_error_keeps_its_exit_code(serve_run, tmp_path, monkeypatch):
    """The policy of another run, for example: restarting the program does not help."""

    def collect(*arguments):
        yield from itertools.islice(collecting.collect(*arguments), 20)
        raise ConfigurationError("Give all processes the same gin files.")

    monkeypatch.setattr(collector, "collect", collect)
    training = small_training(random_steps=1000, total_steps=2000)
    server, address = serve_run(training)
    with pytest.raises(ConfigurationError) as caught:
        collector.run(tmp_path, [address], "robot", training)
    assert str(caught.value) == (
        "Give all processes the same gin files. All 20 steps collected here are in the replay."
    )
    wait_for_items([server._server], 20)


def test_all_transitions_have_the_priority_of_the_policy(serve_run, tmp_path, monkeypatch):
    """Also those of an episode that was cut off, which are complete with its last observation. The
    policy was published before the collector started, which waits for no other."""
    monkeypatch.setattr(tasks.ConnectionLost, "count", 0)
    training = small_training(
        environment="tests.tasks:ConnectionLost-v0",
        files=["gin_configs/per.gin", "gin_configs/n_step.gin"],
        random_steps=0,
        total_steps=2000,
    )
    server, address = serve_run(training)
    client = server._server.client
    policy = PublishedPolicy(
        values=values_of(training.make_policy(training.environment_factory.spec())),
        updates=50,
        step=100,
        elapsed=1.0,
        new_priority=7.0,
        is_last=False,
        published=time.time(),
    )
    publish(client, policy)
    with pytest.raises(RunError, match="All 129 steps collected here are in the replay"):
        collector.run(tmp_path, [address], "robot", training)
    wait_for_items([server._server], 129)
    # The rate limiter allows a batch of 16 for each transition. The chance that 2,000 uniform draws
    # miss one of 129 is 2e-5.
    samples = client.sample(REPLAY_TABLE, 2000, emit_timesteps=False)
    priorities = {sample.info.key: sample.info.priority for sample in samples}
    assert len(priorities) == 129 and set(priorities.values()) == {7.0}
