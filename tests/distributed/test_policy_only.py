"""Collectors and evaluators hold a policy: no critic, no target, no optimizer."""

import time

import pytest

from sac_tf.distributed import collector, evaluator
from sac_tf.distributed.connection import describe_task
from sac_tf.distributed.messages import STATUS_TABLE, PublishedPolicy, publish, send, values_of
from sac_tf.distributed.settings import configuration_of
from tests.training.small_runs import small_training
from tests.waiting import wait_for_items


@pytest.fixture
def publish_last(serve):
    """Returns a function that serves a run and the last policy of it, and returns the address."""

    def start(training):
        spec = training.environment_factory.spec()
        server = serve(windows=training.make_windows(spec))
        settings = configuration_of(training).settings
        task = describe_task(training.environment, spec)
        send(server.client, STATUS_TABLE, {"task": task, "settings": settings, "servers": 1})
        policy = PublishedPolicy(
            values=values_of(training.make_policy(spec)),
            updates=50,
            step=training.total_steps,
            elapsed=1.0,
            new_priority=1.0,
            is_last=True,
            published=time.time(),
        )
        publish(server.client, policy)
        return server

    return start


@pytest.mark.usefixtures("only_policies")
@pytest.mark.parametrize(
    ("variant", "exploration"),
    [("redq", "sampled"), ("crossq", "repeated_noise"), ("sac", "noisy")],
)
def test_a_collector_builds_only_a_policy(publish_last, tmp_path, capsys, variant, exploration):
    training = small_training(
        f"train.exploration = @{exploration}",
        "update.updates_per_call = 60",
        files=[f"gin_configs/{variant}.gin"],
        environment="tests.tasks:Reaching-v0",
        num_environments=2,
        random_steps=1,  # 0 would wait for a policy, and the run is complete
    )
    server = publish_last(training)
    assert collector.run(tmp_path, [server.address], "robot", training) is None
    assert "The run is complete: 2 steps collected here." in capsys.readouterr().out
    wait_for_items([server], 2)


@pytest.mark.usefixtures("only_policies")
def test_an_evaluator_builds_only_a_policy(publish_last, tmp_path):
    training = small_training(
        "update.updates_per_call = 20",
        files=["gin_configs/redq.gin"],
        environment="tests.tasks:Reaching-v0",
    )
    server = publish_last(training)
    assert evaluator.run(str(tmp_path), [server.address], training) is None
    assert (tmp_path / "best_policy/policy_spec.json").is_file()
