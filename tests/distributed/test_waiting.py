import threading

import pytest

from sac_tf.distributed import waiting
from sac_tf.distributed.waiting import Patience, PeriodicCall, with_timeout
from sac_tf.errors import ConfigurationError, RunError
from tests.distributed.served import Clock
from tests.waiting import eventually


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def _attempts(clock, succeed_at: int):
    """Returns an attempt that takes all the time it is given and succeeds the `succeed_at`-th time,
    and the list of these times."""
    slices = []

    def attempt(seconds: float) -> bool:
        slices.append(seconds)
        clock.sleep(seconds)
        return len(slices) == succeed_at

    return attempt, slices


def test_patience_prints_at_doubling_intervals(clock):
    lines = []
    attempt, slices = _attempts(clock, succeed_at=50)
    assert Patience(lambda: False, lines.append)(attempt, "rows", silent_s=5)
    assert slices == [1.0] * 50  # it reacts to Ctrl-C within a second
    assert lines == [
        "Waiting for rows, 6 s so far.",
        "Waiting for rows, 11 s so far.",
        "Waiting for rows, 21 s so far.",
        "Waiting for rows, 41 s so far.",
        "Waited 50 s for rows; continuing.",
    ]


def test_patience_prints_nothing_about_a_short_wait(clock):
    lines = []
    attempt, _ = _attempts(clock, succeed_at=5)
    assert Patience(lambda: False, lines.append)(attempt, "rows", silent_s=5)
    assert lines == []


def test_patience_raises_after_its_timeout(clock):
    patience = Patience(lambda: False, lambda line: None, limit_s=30)
    attempt, slices = _attempts(clock, succeed_at=1000)
    with pytest.raises(RunError, match=r"^Waited 30 s for a new policy \(Patience.limit_s\)\.$"):
        patience(attempt, "a new policy")
    assert len(slices) == 31 and patience.waiting_for is None


def test_patience_ends_when_it_is_over(clock):
    patience = Patience(lambda: clock.now >= 1003, lambda line: None)
    attempt, slices = _attempts(clock, succeed_at=1000)
    assert patience(attempt, "rows") is False
    assert len(slices) == 3 and patience.waiting_for is None


def test_patience_shows_what_it_waits_for(clock):
    seen = []

    def attempt(seconds: float) -> bool:
        seen.append(patience.waiting_for)
        return len(seen) == 3

    patience = Patience(lambda: False, lambda line: None)
    assert patience(attempt, "rows")
    assert seen == [None, "rows", "rows"] and patience.waiting_for is None


@pytest.mark.parametrize("limit_s", [0, -1, "60", True, float("nan")])
def test_invalid_timeout_raises(limit_s):
    words = "Patience.limit_s must be a number of seconds above 0"
    with pytest.raises(ConfigurationError, match=words):
        Patience(lambda: False, print, limit_s)


def test_periodic_call_keeps_its_error_and_continues():
    raised = [RuntimeError("the server\n  is   gone " + "x" * 300), ValueError()]
    errors = []

    def work() -> None:
        errors.append(periodic and periodic.error)
        if raised:
            raise raised.pop(0)

    periodic = None
    periodic = PeriodicCall(work, 0.001, "test")
    eventually(lambda: len(errors) > 4)
    periodic.stop()
    assert errors[1].startswith("the server is gone xxx") and len(errors[1]) == 200
    assert errors[2] == "ValueError"
    assert errors[3] is None and periodic.error is None


def test_periodic_call_runs_when_woken_and_when_stopped():
    calls = []
    periodic = PeriodicCall(lambda: calls.append(1), 1000.0, "test")
    for number in (1, 2, 3):
        eventually(lambda number=number: len(calls) == number)
        periodic.wake()
    eventually(lambda: len(calls) == 4)
    periodic.stop(60.0)
    assert len(calls) == 5
    periodic.stop()
    assert len(calls) == 5


def test_stop_does_not_wait_for_a_call_that_hangs():
    hanging = threading.Event()
    release = threading.Event()

    def work() -> None:
        hanging.set()
        release.wait(60)

    periodic = PeriodicCall(work, 1000.0, "test")
    assert hanging.wait(60)
    with_timeout(lambda: periodic.stop(0.01), 60)
    release.set()


def test_with_timeout_returns_raises_and_times_out():
    assert with_timeout(lambda: 7, 60) == 7
    error = LookupError("no such table")
    with pytest.raises(LookupError) as raised:
        with_timeout(lambda: (_ for _ in ()).throw(error), 60)
    assert raised.value is error
    release = threading.Event()
    with pytest.raises(TimeoutError, match="no answer in 0 s"):
        with_timeout(lambda: release.wait(60), 0.01)
    release.set()
