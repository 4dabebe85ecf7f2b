import time

import numpy as np
import pytest
import reverb

from sac_tf.distributed import messages, policies
from sac_tf.distributed.messages import (
    NO_ANSWER,
    POLICY_TABLE,
    PublishedPolicy,
    newest_policy,
    publish,
    values_of,
)
from sac_tf.distributed.policies import PolicyPublisher, PolicySource
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from tests.distributed.served import Clock
from tests.waiting import eventually

TOTAL_STEPS = 1000


@pytest.fixture(autouse=True)
def _short_timeout(monkeypatch):
    monkeypatch.setattr(messages, "_TIMEOUT_S", 1)


@pytest.fixture
def actor(spec):
    return make_actor(spec, 1, hidden_units=(4,))


@pytest.fixture
def make_source(actor):
    """Returns a function that makes the source of `actor` and the list of lines that it prints."""
    sources = []

    def make(client, **settings):
        lines: list[str] = []
        settings = {"period": 0.01} | settings
        sources.append(PolicySource(client, actor, lines.append, TOTAL_STEPS, **settings))
        return sources[-1], lines

    yield make
    for source in sources:
        source.close()


def _policy(actor, number: int, **fields) -> PublishedPolicy:
    policy = PublishedPolicy(
        values=np.full_like(values_of(actor), number),
        updates=100 * number,
        step=10 * number,
        elapsed=1.5,
        new_priority=1.0,
        is_last=False,
        published=1e9 + number,
    )
    return policy._replace(**fields)


def test_actor_gets_each_new_policy(serve, actor, make_source):
    client = serve().client
    initial = values_of(actor)
    source, lines = make_source(client)
    assert not source.wait(0.1) and source.policy is None
    assert source.report == {"policy_updates": None, "policy_age": None} and not source.is_last
    np.testing.assert_array_equal(values_of(actor), initial)
    for number in (1, 2):
        publish(client, _policy(actor, number))
        assert source.wait(60)
        np.testing.assert_array_equal(values_of(actor), number)
        assert source.policy.updates == 100 * number == source.report["policy_updates"]
    publish(client, _policy(actor, 2))  # as a publisher does that repeats itself
    assert not source.wait(0.1)
    assert not source.is_last
    publish(client, _policy(actor, 2, is_last=True, published=1e9 + 3))
    eventually(lambda: source.is_last)
    assert lines == []


@pytest.mark.parametrize(("step", "is_last"), [(TOTAL_STEPS - 1, False), (TOTAL_STEPS, True)])
def test_last_policy_found_at_the_start_has_all_steps(serve, actor, make_source, step, is_last):
    """With fewer steps it is that of a complete run that is continued with more."""
    client = serve().client
    publish(client, _policy(actor, 1, step=step, is_last=True))
    source, _ = make_source(client)
    assert source.policy.updates == 100 and not source.wait(0.1)
    assert source.is_last == source.policy.is_last == is_last
    publish(client, _policy(actor, 2, step=step, is_last=True))
    assert source.wait(60) and source.is_last


@pytest.fixture
def fetches(monkeypatch):
    """Returns a list with an element for each fetch that was answered."""
    answered: list[int] = []
    monkeypatch.setattr(
        policies, "newest_policy", lambda client: [newest_policy(client), answered.append(1)][0]
    )
    return answered


def test_policy_is_fetched_after_period_steps(serve, actor, make_source, fetches):
    client = serve().client
    source, _ = make_source(client, period=1000.0, period_steps=50)
    eventually(lambda: len(fetches) == 2)  # in the constructor, and when the thread starts
    publish(client, _policy(actor, 1))
    assert not source.refresh(49) and not source.wait(0.1)
    source.refresh(50)
    eventually(lambda: source.refresh(51))
    publish(client, _policy(actor, 2))
    assert not source.refresh(99) and not source.wait(0.1)
    source.refresh(100)
    eventually(lambda: source.refresh(101))


def test_stopped_server_never_delays_and_age_is_printed(
    serve, actor, make_source, fetches, monkeypatch
):
    """The thread sleeps here: a request under way when a server of the same process stops may never
    return, or end the process."""
    server = serve()
    clock = Clock()
    publish(server.client, _policy(actor, 1))
    source, lines = make_source(reverb.Client(server.address), period=1000.0, oldest=60.0)
    assert source.policy.updates == 100  # the constructor fetches
    eventually(lambda: len(fetches) == 2)  # and the thread when it starts
    server.stop()
    monkeypatch.setattr(policies, "time", clock)
    source._fetched_at = clock.now
    for clock.now in (1060, 1061, 1200):
        with monkeypatch.context() as patch:
            patch.setattr(source, "_client", None)
            assert source.refresh(0) is False  # without a request
        with pytest.raises(NO_ANSWER):
            source._fetch()
    np.testing.assert_array_equal(values_of(actor), 1)
    assert lines == ["The policy is 61 s old, more than PolicySource.oldest=60."]
    assert source.report == {"policy_updates": 100, "policy_age": 200}
    # A broken connection is retried after a second.
    monkeypatch.setattr(messages, "_TIMEOUT_S", 20)
    publish(serve(port=int(server.address.rpartition(":")[2])).client, _policy(actor, 2))
    source._fetch()
    assert source.refresh(0)
    assert lines[1:] == ["Received a new policy after 200 s."] and source.age == 0
    for clock.now in (1261, 1262):
        source._fetch()
    assert lines[2:] == ["The policy is 61 s old, more than PolicySource.oldest=60."]


def test_missing_first_policy_is_printed(serve, make_source, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(policies, "time", clock)
    source, lines = make_source(serve().client, period=1000.0, oldest=5.0)
    for clock.now in (1005, 1006, 1007):
        source._fetch()
    assert lines == ["No policy was published for 6 s, more than PolicySource.oldest=5."]


def test_source_starts_while_the_server_restarts(serve, actor, make_source, monkeypatch):
    server = serve()
    server.stop()
    source, _ = make_source(reverb.Client(server.address), period=0.1)
    assert source.policy is None
    monkeypatch.setattr(messages, "_TIMEOUT_S", 20)
    publish(serve(port=int(server.address.rpartition(":")[2])).client, _policy(actor, 1))
    assert source.wait(60) and source.policy.updates == 100


def test_policy_for_another_actor_raises(serve, spec, make_source):
    client = serve().client
    publish(client, _policy(make_actor(spec, 1, hidden_units=(5,)), 1))
    words = "The published policy has .* give all processes the same gin files"
    with pytest.raises(ConfigurationError, match=words):
        make_source(client)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"period": 0}, "PolicySource.period must be a number of seconds above 0, got 0"),
        ({"period": float("inf")}, "PolicySource.period must be"),
        ({"oldest": "60"}, "PolicySource.oldest must be"),
        ({"period_steps": 0}, "PolicySource.period_steps must be an integer of at least 1"),
    ],
)
def test_invalid_number_raises(make_source, settings, words):
    with pytest.raises(ConfigurationError, match=words):
        make_source(None, **settings)


def test_publisher_publishes_the_newest_and_the_last(serve, actor, monkeypatch):
    def publish_slowly(*arguments) -> None:
        time.sleep(0.1)
        publish(*arguments)

    monkeypatch.setattr(policies, "publish", publish_slowly)
    monkeypatch.setattr(policies, "_REPUBLISH_S", 1000.0)
    client = serve().client
    publisher = PolicyPublisher(client)
    time.sleep(0.05)
    assert newest_policy(client) is None  # nothing was offered yet
    publisher.offer(_policy(actor, 1))
    eventually(lambda: newest_policy(client))
    for number in range(2, 30):
        publisher.offer(_policy(actor, number))
    publisher.close()
    assert newest_policy(client).updates == 2900


def test_publisher_waits_until_the_server_takes_the_policy(serve, actor, monkeypatch):
    """It tries again at once, and not after the time of the next publication."""
    failures = [RuntimeError("unavailable"), RuntimeError("unavailable")]

    def fail_twice(*arguments) -> None:
        if failures:
            raise failures.pop()
        publish(*arguments)

    monkeypatch.setattr(policies, "publish", fail_twice)
    monkeypatch.setattr(policies, "_REPUBLISH_S", 1000.0)
    client = serve().client
    publisher = PolicyPublisher(client)
    publisher.offer(_policy(actor, 1))
    assert not publisher.wait(0.0)
    eventually(lambda: publisher.wait(0.1))
    assert newest_policy(client).updates == 100
    publisher.offer(_policy(actor, 2))
    assert publisher.wait(60.0) and newest_policy(client).updates == 200
    publisher.close()


def test_publisher_publishes_again_to_an_empty_server(serve, actor, monkeypatch):
    monkeypatch.setattr(policies, "_REPUBLISH_S", 0.05)
    client = serve().client
    publisher = PolicyPublisher(client)
    publisher.offer(_policy(actor, 1))
    for _ in range(3):
        assert eventually(lambda: newest_policy(client)).updates == 100
        client.reset(POLICY_TABLE)
    publisher.close()


def test_publisher_continues_when_its_server_starts(serve, actor, monkeypatch):
    server = serve()
    server.stop()
    publisher = PolicyPublisher(reverb.Client(server.address))
    publisher.offer(_policy(actor, 1))
    eventually(lambda: publisher._thread.error)
    monkeypatch.setattr(messages, "_TIMEOUT_S", 20)
    restarted = serve(port=int(server.address.rpartition(":")[2]))
    publisher.offer(_policy(actor, 2))
    assert eventually(lambda: newest_policy(restarted.client)).updates == 200
    publisher.close()
