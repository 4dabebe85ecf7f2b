"""Interrupts: the first signal sets a flag, the second has its usual effect."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import threading

import pytest

from sac_tf.runs.interrupts import Interrupts

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def _no_ignored_signals():
    """Restores Python's handlers: a shell's background processes ignore SIGINT, and those of nohup
    SIGHUP."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _send(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)
        os.getpid()  # Python calls the handler between two instructions


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_sets_the_flag(number):
    with Interrupts() as interrupts:
        assert interrupts.received is None
        _send(number)
        assert interrupts.received == number


def test_the_first_ctrl_c_is_answered_immediately(capfd):
    with Interrupts():
        _send(signal.SIGINT)
        assert capfd.readouterr().err == "Saving and stopping; Ctrl-C again stops without saving.\n"


@pytest.mark.parametrize("number", SIGNALS[1:])
def test_other_signals_are_answered_by_their_names(capsys, number):
    """To a stream without a descriptor, as a notebook has."""
    with Interrupts():
        _send(number)
    assert capsys.readouterr().err.startswith(f"Received {number.name}: saving and stopping")


def test_an_answer_can_be_left_out(capfd):
    with Interrupts(answers=False):
        _send(signal.SIGINT)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("first", SIGNALS[:2])
def test_the_second_signal_has_its_usual_effect(first):
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        _send(first, signal.SIGINT)


def test_signals_of_a_closed_terminal_do_not_end_the_process():
    """SIGHUP comes from the shell and from the kernel, and a session that ends sends SIGTERM."""
    with Interrupts() as interrupts:
        _send(signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP)
    assert interrupts.received == signal.SIGHUP
    with Interrupts() as interrupts:
        _send(signal.SIGTERM, signal.SIGHUP)
    assert interrupts.received == signal.SIGTERM


def test_sighup_stays_ignored_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            _send(signal.SIGHUP)
            assert interrupts.received is None
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_handlers_are_restored():
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupts():
        assert all(map(signal.getsignal, SIGNALS))
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_in_another_thread_no_signal_is_handled(capsys):
    before = signal.getsignal(signal.SIGTERM)
    received = []

    def run():
        with Interrupts() as interrupts:
            received.append((signal.getsignal(signal.SIGTERM), interrupts.received))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert received == [(before, None)]
    assert capsys.readouterr().out.startswith("This is not the main thread of the process, so")


_SAVES = """
import sys, time
from sac_tf.runs.interrupts import Interrupts
with Interrupts() as interrupts:
    print("ready", flush=True)
    while interrupts.received is None:
        time.sleep(0.01)
    for stream in (sys.stdout, sys.stderr):
        print("a progress bar", file=stream, flush=True)
    open(sys.argv[1], "w").write(interrupts.received.name)
"""


def test_a_closed_terminal_does_not_disturb_saving(tmp_path):
    """Writing to it would raise OSError."""
    terminal, own_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _SAVES, tmp_path / "saved"],
        stdin=own_end,
        stdout=own_end,
        stderr=own_end,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(own_end)
    assert b"ready" in os.read(terminal, 100)
    os.close(terminal)
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "saved").read_text() == "SIGHUP"
