"""The session of a program: resources are closed in any case, newest first."""

import contextlib
import os
import signal

import pytest

from sac_tf.runs.session import session


class _Resource:
    """Records when it is closed."""

    def __init__(self, name, closed):
        self.name = name
        self._closed = closed

    def close(self):
        self._closed.append(self.name)


def _nothing():
    pass


def test_resources_are_closed_in_reverse_order():
    closed = []
    with session(_nothing) as opened:
        resources = [opened.open(_Resource(name, closed)) for name in ("a", "b", "c")]
        assert [resource.name for resource in resources] == ["a", "b", "c"]
        assert closed == []
    assert closed == ["c", "b", "a"]


def test_resources_are_closed_when_building_fails():
    closed = []
    with pytest.raises(ZeroDivisionError), session(_nothing) as opened:
        opened.open(_Resource("a", closed))
        opened.open(_Resource("b", closed))
        opened.open(_Resource(str(1 / 0), closed))
    assert closed == ["b", "a"]


@pytest.mark.parametrize("raised", [None, ZeroDivisionError])
def test_a_close_that_fails_is_reported(caplog, raised):
    """And neither stops the others nor hides another error."""
    closed = []

    class _Broken(_Resource):
        def close(self):
            super().close()
            raise OSError("disk full")

    expected = pytest.raises(raised) if raised else contextlib.nullcontext()
    with expected, session(_nothing) as opened:
        opened.open(_Resource("a", closed))
        opened.open(_Broken("b", closed))
        if raised:
            raise raised
    assert closed == ["b", "a"]
    assert caplog.messages == ["Closing _Broken raised OSError (disk full)."]


def test_the_runtime_is_set_before_anything_is_opened():
    calls = []
    with session(lambda: calls.append("runtime")):
        calls.append("body")
    assert calls == ["runtime", "body"]


def test_a_runtime_that_fails_leaves_the_signal_handlers():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), session(lambda: 1 / 0):
        pass
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_signal_is_noticed():
    with session(_nothing) as opened:
        assert not opened.is_interrupted()
        os.kill(os.getpid(), signal.SIGTERM)
        assert opened.is_interrupted() and opened.interrupts.received == signal.SIGTERM
