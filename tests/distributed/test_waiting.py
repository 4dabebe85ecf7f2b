import threading

import pytest

from sac_tf.distributed import waiting
from sac_tf.distributed.waiting import Patience, Repeating, bounded
from sac_tf.errors import ConfigurationError, RunError
from tests.distributed.served import Clock, eventually


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def _attempts(clock, succeed_at: int):
    """An attempt that takes all the time it is given, and succeeds the `succeed_at`-th time."""
    slices = []

    def attempt(seconds: float) -> bool:
        slices.append(seconds)
        clock.sleep(seconds)
        return len(slices) == succeed_at

    return attempt, slices


def test_patience_says_what_it_waits_for_after_one_two_and_four_times_the_silence(clock):
    said = []
    attempt, slices = _attempts(clock, succeed_at=50)
    assert Patience(lambda: False, said.append)(attempt, "rows", silent_s=5)
    assert slices == [1.0] * 50  # a Ctrl-C is heard within a second
    assert said == [
        "Waiting for rows, 6 s so far.",
        "Waiting for rows, 11 s so far.",
        "Waiting for rows, 21 s so far.",
        "Waiting for rows, 41 s so far.",
        "Waited 50 s for rows; going on.",
    ]


def test_patience_is_silent_about_a_short_wait(clock):
    said = []
    attempt, _ = _attempts(clock, succeed_at=5)
    assert Patience(lambda: False, said.append)(attempt, "rows", silent_s=5)
    assert said == []


def test_patience_ends_at_its_limit(clock):
    patience = Patience(lambda: False, lambda line: None, limit_s=30)
    attempt, slices = _attempts(clock, succeed_at=1000)
    with pytest.raises(RunError, match=r"^Waited 30 s for a new policy \(Patience.limit_s\)\.$"):
        patience(attempt, "a new policy")
    assert len(slices) == 31 and patience.waiting_for is None


def test_patience_ends_at_once_when_it_is_over(clock):
    patience = Patience(lambda: clock.now >= 1003, lambda line: None)
    attempt, slices = _attempts(clock, succeed_at=1000)
    assert patience(attempt, "rows") is False
    assert len(slices) == 3 and patience.waiting_for is None


def test_what_it_waits_for_can_be_seen_meanwhile(clock):
    seen = []

    def attempt(seconds: float) -> bool:
        seen.append(patience.waiting_for)
        return len(seen) == 3

    patience = Patience(lambda: False, lambda line: None)
    assert patience(attempt, "rows")
    assert seen == [None, "rows", "rows"] and patience.waiting_for is None


@pytest.mark.parametrize("limit_s", [0, -1, "60", True, float("nan")])
def test_a_bad_limit_is_refused(limit_s):
    with pytest.raises(
        ConfigurationError, match="Patience.limit_s must be a number of seconds above 0"
    ):
        Patience(lambda: False, print, limit_s)


def test_repeating_complains_until_it_works_and_goes_on():
    errors = [RuntimeError("the server\n  is   gone " + "x" * 300), ValueError()]
    complaints = []

    def work() -> None:
        complaints.append(repeating and repeating.complaint)
        if errors:
            raise errors.pop(0)

    repeating = None
    repeating = Repeating(work, 0.001, "test")
    eventually(lambda: len(complaints) > 4)
    repeating.stop()
    assert complaints[1].startswith("the server is gone xxx") and len(complaints[1]) == 200
    assert complaints[2] == "ValueError"
    assert complaints[3] is None and repeating.complaint is None


def test_repeating_works_when_woken_and_once_more_when_stopped():
    calls = []
    repeating = Repeating(lambda: calls.append(1), 1000.0, "test")
    for number in (1, 2, 3):
        eventually(lambda number=number: len(calls) == number)
        repeating.wake()
    eventually(lambda: len(calls) == 4)
    repeating.stop(20.0)
    assert len(calls) == 5
    repeating.stop()
    assert len(calls) == 5


def test_stopping_does_not_wait_for_work_that_hangs():
    hanging, release = threading.Event(), threading.Event()

    def work() -> None:
        hanging.set()
        release.wait(60)

    repeating = Repeating(work, 1000.0, "test")
    assert hanging.wait(20)
    bounded(lambda: repeating.stop(0.01), 20)
    release.set()


def test_bounded_returns_raises_and_times_out():
    assert bounded(lambda: 7, 20) == 7
    error = LookupError("no such table")
    with pytest.raises(LookupError) as raised:
        bounded(lambda: (_ for _ in ()).throw(error), 20)
    assert raised.value is error
    release = threading.Event()
    with pytest.raises(TimeoutError, match="no answer in 0 s"):
        bounded(lambda: release.wait(60), 0.01)
    release.set()
