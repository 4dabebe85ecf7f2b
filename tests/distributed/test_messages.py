import functools
import time

import numpy as np
import pytest
import reverb
import tensorflow as tf

from sac_tf.distributed import messages
from sac_tf.distributed.messages import (
    HEARTBEAT_TABLE,
    NO_ANSWER,
    STATUS_TABLE,
    PublishedPolicy,
    newest_policy,
    publish,
    receive,
    send,
    set_values,
    values_of,
)
from sac_tf.distributed.waiting import with_timeout
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.running_normalization import RunningNormalization


def _policy(number: int) -> PublishedPolicy:
    return PublishedPolicy(
        values=np.arange(5, dtype=np.float32) / 3 + number,
        updates=2**40 + number,
        step=17,
        elapsed=0.1,
        new_priority=2.5,
        is_last=False,
        published=1_700_000_000.123456,
    )


def test_newest_policy_is_the_one_published_last(serve):
    client = serve().client
    assert newest_policy(client) is None
    publish(client, _policy(1))
    publish(client, _policy(2))
    for _ in range(2):  # fetching does not remove it
        policy = newest_policy(client)
        np.testing.assert_array_equal(policy.values, _policy(2).values)
        assert policy.values.dtype == np.float32 and policy[1:] == _policy(2)[1:]
    assert client.server_info(timeout=5)["policy"].current_size == 1


def test_heartbeats_are_received_once_and_in_order(serve):
    client = serve().client
    assert receive(client, HEARTBEAT_TABLE) == []
    before = time.time()
    for number in range(40):
        heartbeat = {"process": f"collector {number % 2}", "steps": number}
        send(reverb.Client(client.server_address), HEARTBEAT_TABLE, heartbeat)
    received = receive(client, HEARTBEAT_TABLE)
    expected = [(f"collector {number % 2}", number) for number in range(40)]
    assert [(message["process"], message["steps"]) for message in received] == expected
    assert all(before <= message["time"] <= time.time() for message in received)
    assert receive(client, HEARTBEAT_TABLE) == []


def test_status_is_the_newest_and_stays(serve):
    client = serve().client
    assert receive(client, STATUS_TABLE) == []
    for rows in (1, 2):
        send(client, STATUS_TABLE, {"rows": rows, "task": {"environment": "Ä", "action": None}})
    for _ in range(2):
        (status,) = receive(client, STATUS_TABLE)
        assert status["rows"] == 2 and status["task"] == {"environment": "Ä", "action": None}


def test_requests_to_a_stopped_server_raise(serve, monkeypatch):
    monkeypatch.setattr(messages, "_TIMEOUT_S", 1)
    server = serve()
    client = reverb.Client(server.address)
    server.stop()
    calls = [
        functools.partial(publish, client, _policy(1)),
        functools.partial(newest_policy, client),
        functools.partial(send, client, HEARTBEAT_TABLE, {}),
        functools.partial(receive, client, STATUS_TABLE),
    ]
    for call in calls:
        with pytest.raises(NO_ANSWER) as raised:
            with_timeout(call, 60)
        assert not isinstance(raised.value, TimeoutError)


def test_actor_takes_the_values_of_another(spec):
    make = functools.partial(make_actor, hidden_units=(8,))
    source = make(spec, 1)
    target = make(spec, 2)
    observation = tf.constant([[0.1, -2.0, 3.0]])
    assert not np.array_equal(values_of(source), values_of(target))
    set_values(target, values_of(source))
    tf.nest.map_structure(np.testing.assert_array_equal, target(observation), source(observation))


def test_values_include_running_statistics():
    """Mean and scale of the observations."""

    def make() -> tuple[tf.keras.Model, RunningNormalization]:
        layer = RunningNormalization()
        observation = tf.keras.Input([2])
        return tf.keras.Model(observation, layer([observation])), layer

    source, source_layer = make()
    target, target_layer = make()
    source_layer.mean[0].assign([1.0, 2.0])
    source_layer.scale[0].assign([3.0, 4.0])
    set_values(target, values_of(source))
    np.testing.assert_array_equal(target_layer.mean[0], [1, 2])
    np.testing.assert_array_equal(target_layer.scale[0], [3, 4])


def test_policy_of_another_size_raises(spec):
    """3 -> 8 -> 2 x 2: 24 + 8 + 32 + 4 numbers."""
    actor = make_actor(spec, 1, hidden_units=(8,))
    before = values_of(actor)
    words = r"^The published policy has 69 numbers, and one built .* 68; give all"
    with pytest.raises(ConfigurationError, match=words):
        set_values(actor, np.zeros(69, np.float32))
    np.testing.assert_array_equal(values_of(actor), before)
