import time

import numpy as np
import pytest
import reverb

from sac_tf.distributed import messages, policies
from sac_tf.distributed.messages import POLICY_TABLE, Policy, actor_values, newest_policy, publish
from sac_tf.distributed.policies import PolicyPublisher, PolicySource
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from tests.distributed.served import Clock, eventually


@pytest.fixture(autouse=True)
def _short_answers(monkeypatch):
    monkeypatch.setattr(messages, "_ANSWER_S", 1)


@pytest.fixture
def actor(spec):
    return make_actor(spec, 1, hidden_units=(4,))


@pytest.fixture
def follow(actor):
    """Returns a function that makes a source of policies for `actor` and a list of what it says."""
    sources = []

    def make(client, **settings):
        said: list[str] = []
        sources.append(PolicySource(client, actor, said.append, **{"period": 0.01} | settings))
        return sources[-1], said

    yield make
    for source in sources:
        source.close()


def _policy(actor, number: int, **fields) -> Policy:
    values = np.full_like(actor_values(actor), number)
    return Policy(values, 100.0 * number, 10.0 * number, 1.5, 1.0, 0.0, 1e9 + number)._replace(
        **fields
    )


def test_the_actor_gets_each_new_policy_and_keeps_its_own_until_one_comes(serve, actor, follow):
    client, own = serve().client, actor_values(actor)
    source, said = follow(client)
    assert not source.wait(0.1) and source.policy is None
    assert source.report == {"policy_updates": None, "policy_age": None} and not source.is_last
    np.testing.assert_array_equal(actor_values(actor), own)
    for number in (1, 2):
        publish(client, _policy(actor, number))
        assert source.wait(20)
        np.testing.assert_array_equal(actor_values(actor), number)
        assert source.policy.updates == 100 * number == source.report["policy_updates"]
    publish(client, _policy(actor, 2))  # as a publisher does that is not sure whether it arrived
    assert not source.wait(0.1)
    assert not source.is_last
    publish(client, _policy(actor, 2, is_last=1.0, published=1e9 + 3))
    eventually(lambda: source.is_last)
    assert said == []


def test_a_source_looks_when_steps_have_passed(serve, actor, follow, monkeypatch):
    client, looks = serve().client, []
    monkeypatch.setattr(
        policies, "newest_policy", lambda client: [newest_policy(client), looks.append(1)][0]
    )
    source, _ = follow(client, period=1000.0, period_steps=50)
    eventually(lambda: len(looks) == 2)  # at the start, and at the start of the thread
    publish(client, _policy(actor, 1))
    assert not source.refresh(49) and not source.wait(0.1)
    source.refresh(50)
    eventually(lambda: source.refresh(51))
    publish(client, _policy(actor, 2))
    assert not source.refresh(99) and not source.wait(0.1)
    source.refresh(100)
    eventually(lambda: source.refresh(101))


def test_a_source_never_waits_for_a_server_that_is_gone_and_says_once_that_its_policy_is_old(
    serve, actor, follow, monkeypatch
):
    """Its thread sleeps here: a look that is on its way when a server of the same process stops may
    hang for ever."""
    server, clock = serve(), Clock()
    publish(server.client, _policy(actor, 1))
    source, said = follow(reverb.Client(server.address), period=1000.0, oldest=60.0)
    assert source.policy.updates == 100  # there was one, so there is no wait for the first
    server.stop()
    monkeypatch.setattr(policies, "time", clock)
    source._changed = clock.now
    for clock.now in (1060, 1061, 1200):
        with monkeypatch.context() as patch:
            patch.setattr(source, "_client", None)
            assert source.refresh(0) is False  # it asks nobody
        with pytest.raises((reverb.errors.DeadlineExceededError, RuntimeError)):
            source._look()
    np.testing.assert_array_equal(actor_values(actor), 1)
    assert said == ["The policy is 61 s old, more than PolicySource.oldest=60."]
    assert source.report == {"policy_updates": 100, "policy_age": 200}
    monkeypatch.setattr(
        messages, "_ANSWER_S", 20
    )  # a connection that broke is tried again after a second
    publish(serve(port=int(server.address.rpartition(":")[2])).client, _policy(actor, 2))
    source._look()
    assert source.refresh(0)
    assert said[1:] == ["A new policy again, after 200 s."] and source.age == 0
    for clock.now in (1261, 1262):
        source._look()
    assert said[2:] == ["The policy is 61 s old, more than PolicySource.oldest=60."]


def test_a_source_says_that_no_policy_ever_came(serve, follow, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(policies, "time", clock)
    source, said = follow(serve().client, period=1000.0, oldest=5.0)
    for clock.now in (1005, 1006, 1007):
        source._look()
    assert said == ["No policy came for 6 s, more than PolicySource.oldest=5."]


def test_a_policy_for_another_actor_is_refused(serve, spec, actor, follow):
    client = serve().client
    publish(client, _policy(make_actor(spec, 1, hidden_units=(5,)), 1))
    with pytest.raises(
        ConfigurationError,
        match="The published policy has .* give all processes the same gin files",
    ):
        follow(client)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"period": 0}, "PolicySource.period must be a number of seconds above 0, got 0"),
        ({"period": float("inf")}, "PolicySource.period must be"),
        ({"oldest": "60"}, "PolicySource.oldest must be"),
        ({"period_steps": 0}, "PolicySource.period_steps must be an integer of at least 1"),
    ],
)
def test_bad_numbers_are_refused(follow, settings, words):
    with pytest.raises(ConfigurationError, match=words):
        follow(None, **settings)


def test_a_publisher_sends_the_newest_and_at_the_end_the_last(serve, actor, monkeypatch):
    def publish_slowly(*arguments) -> None:
        time.sleep(0.1)
        publish(*arguments)

    monkeypatch.setattr(policies, "publish", publish_slowly)
    monkeypatch.setattr(policies, "_AGAIN_S", 1000.0)
    client = serve().client
    publisher = PolicyPublisher(client)
    time.sleep(0.05)
    assert newest_policy(client) is None  # there is nothing to send yet
    publisher.offer(_policy(actor, 1))
    eventually(lambda: newest_policy(client))
    for number in range(2, 30):
        publisher.offer(_policy(actor, number))
    publisher.close()
    assert newest_policy(client).updates == 2900


def test_a_publisher_sends_again_to_a_server_that_started_empty(serve, actor, monkeypatch):
    monkeypatch.setattr(policies, "_AGAIN_S", 0.05)
    client = serve().client
    publisher = PolicyPublisher(client)
    publisher.offer(_policy(actor, 1))
    for _ in range(3):
        assert eventually(lambda: newest_policy(client)).updates == 100
        client.reset(POLICY_TABLE)
    publisher.close()


def test_a_publisher_goes_on_when_its_server_comes(serve, actor, monkeypatch):
    server = serve()
    server.stop()
    publisher = PolicyPublisher(reverb.Client(server.address))
    publisher.offer(_policy(actor, 1))
    eventually(lambda: publisher._thread.complaint)
    monkeypatch.setattr(messages, "_ANSWER_S", 20)
    again = serve(port=int(server.address.rpartition(":")[2]))
    publisher.offer(_policy(actor, 2))
    assert eventually(lambda: newest_policy(again.client)).updates == 200
    publisher.close()
