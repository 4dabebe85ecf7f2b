import functools
import time

import numpy as np
import pytest
import reverb
import tensorflow as tf

from sac_tf.distributed import messages
from sac_tf.distributed.messages import (
    BOARD_TABLE,
    HEARTBEAT_TABLE,
    Policy,
    actor_values,
    newest_policy,
    publish,
    receive,
    send,
    set_actor_values,
)
from sac_tf.distributed.waiting import bounded
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.running_normalization import RunningNormalization


def _policy(number: int) -> Policy:
    values = np.arange(5, dtype=np.float32) / 3 + number
    return Policy(values, 2**40 + number, 17.0, 0.1, 2.5, 0.0, 1_700_000_000.123456)


def test_the_newest_policy_is_read_as_it_was_published(serve):
    client = serve().client
    assert newest_policy(client) is None
    publish(client, _policy(1))
    publish(client, _policy(2))
    for _ in range(2):  # reading takes nothing away
        policy = newest_policy(client)
        np.testing.assert_array_equal(policy.values, _policy(2).values)
        assert policy.values.dtype == np.float32 and policy[1:] == _policy(2)[1:]
    assert client.server_info(timeout=5)["policy"].current_size == 1


def test_heartbeats_are_heard_once_in_their_order_and_from_whoever_sends(serve):
    client = serve().client
    assert receive(client, HEARTBEAT_TABLE) == []
    before = time.time()
    for number in range(40):
        send(
            reverb.Client(client.server_address),
            HEARTBEAT_TABLE,
            {"who": f"collector {number % 2}", "steps": number},
        )
    heard = receive(client, HEARTBEAT_TABLE)
    assert [(m["who"], m["steps"]) for m in heard] == [(f"collector {n % 2}", n) for n in range(40)]
    assert all(before <= message["time"] <= time.time() for message in heard)
    assert receive(client, HEARTBEAT_TABLE) == []


def test_the_board_is_the_newest_and_stays(serve):
    client = serve().client
    assert receive(client, BOARD_TABLE) == []
    for rows in (1, 2):
        send(client, BOARD_TABLE, {"rows": rows, "task": {"environment": "Ä", "action": None}})
    for _ in range(2):
        (board,) = receive(client, BOARD_TABLE)
        assert board["rows"] == 2 and board["task"] == {"environment": "Ä", "action": None}


def test_nothing_hangs_on_a_server_that_is_gone(serve, monkeypatch):
    monkeypatch.setattr(messages, "_ANSWER_S", 1)
    server = serve()
    client = reverb.Client(server.address)
    server.stop()
    calls = [
        functools.partial(publish, client, _policy(1)),
        functools.partial(newest_policy, client),
        functools.partial(send, client, HEARTBEAT_TABLE, {}),
        functools.partial(receive, client, BOARD_TABLE),
    ]
    for call in calls:
        with pytest.raises((reverb.errors.DeadlineExceededError, RuntimeError)):
            bounded(call, 10)


def test_an_actor_takes_over_what_another_one_knows(spec):
    make = functools.partial(make_actor, hidden_units=(8,))
    teacher, pupil = make(spec, 1), make(spec, 2)
    observation = tf.constant([[0.1, -2.0, 3.0]])
    assert not np.array_equal(actor_values(teacher), actor_values(pupil))
    set_actor_values(pupil, actor_values(teacher))
    tf.nest.map_structure(np.testing.assert_array_equal, pupil(observation), teacher(observation))


def test_what_is_not_trained_is_taken_over_too():
    """Mean and scale of the observations."""

    def make() -> tuple[tf.keras.Model, RunningNormalization]:
        layer, observation = RunningNormalization(), tf.keras.Input([2])
        return tf.keras.Model(observation, layer([observation])), layer

    (teacher, seen), (pupil, layer) = make(), make()
    seen.mean[0].assign([1.0, 2.0])
    seen.scale[0].assign([3.0, 4.0])
    set_actor_values(pupil, actor_values(teacher))
    np.testing.assert_array_equal(layer.mean[0], [1, 2])
    np.testing.assert_array_equal(layer.scale[0], [3, 4])


def test_a_policy_of_another_size_is_refused_in_a_sentence(spec):
    """3 -> 8 -> 2 x 2: 24 + 8 + 32 + 4 numbers."""
    actor = make_actor(spec, 1, hidden_units=(8,))
    before = actor_values(actor)
    with pytest.raises(
        ConfigurationError,
        match=r"^The published policy has 69 numbers, and one built .* 68; give all",
    ):
        set_actor_values(actor, np.zeros(69, np.float32))
    np.testing.assert_array_equal(actor_values(actor), before)
