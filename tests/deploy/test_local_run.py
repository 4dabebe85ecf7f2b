"""Tests the Procfile, start.py, keep.sh and `make train-distributed`, with shell scripts instead of
the programs."""

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

_STUB = """#!/bin/sh
cd "$STUBS"
program=${2#binaries.}
trap 'touch "saved.$program"; echo saved; exit 143' TERM
echo "$@"
[ ! -e "$program.sh" ] || . "./$program.sh"
touch "runs.$program"
sleep 60 >/dev/null 2>&1 &
wait
"""
"""A signal just before `sleep` starts ends the script alone: `sleep` must not hold its output."""
_PROGRAMS = ("replay_server", "learner", "collector", "evaluator")
_ENDS = "touch complete.$$; exit 0"
_COMPLETE = {
    "learner": _ENDS,
    "collector": _ENDS,
    "evaluator": "until [ $(ls complete.* | wc -l) = 3 ]; do sleep 0.1; done; sleep 1; echo last "
    "evaluation; exit 0",
}
"""The evaluator exits last, as in a run: on a busy machine the others may take a while."""


@pytest.fixture
def start(tmp_path):
    """Starts the programs of the Procfile: scripts that wait for SIGTERM, after running the one in
    `scripts`."""
    runners = []

    def start_all(scripts=None, collectors=2, make=None):
        stub = tmp_path / "python"
        stub.write_text(_STUB)
        stub.chmod(0o755)
        for program, script in (scripts or {}).items():
            (tmp_path / f"{program}.sh").write_text(script)
        environment = os.environ | {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "STUBS": str(tmp_path),
            "ROOT_DIR": "runs/a b",
            "REPLAY_PORT": "8123",
            "RUN_FLAGS": "--gin_file=one.gin --gin_bindings=train.seed=1",
            "PYTHONUNBUFFERED": "",  # start.py must not depend on it
        }
        command = [
            sys.executable,
            "deploy/start.py",
            "start",
            "-f",
            "deploy/Procfile",
            "-c",
            f"collector={collectors}",
        ]
        if make is not None:  # without an installation: with this Python, and the stub
            installed = f"VENV={tmp_path}", f"RUN={sys.executable}", "-o", f"{tmp_path}/.installed"
            command = ["make", "train-distributed", *installed, *make]
        runners.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        )
        return runners[-1]

    yield start_all
    for runner in runners:
        runner.terminate()
        runner.communicate(timeout=60)


def _wait_until_running(folder, programs=_PROGRAMS):
    deadline = time.monotonic() + 60
    while not all((folder / f"runs.{program}").exists() for program in programs):
        assert time.monotonic() < deadline, f"not all of {programs} started within 60 s"
        time.sleep(0.05)


def _wait_until_full(pipe):
    """Waits until a pipe is full, so that its writer blocks in the middle of a line."""
    deadline, held, before = time.monotonic() + 60, 0, -1
    while held < 60_000 or held != before:
        assert time.monotonic() < deadline, f"the pipe was not full within 60 s: {held} bytes"
        time.sleep(0.2)
        before, held = held, struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"0000"))[0]


def _saved(folder):
    return {path.suffix[1:] for path in folder.glob("saved.*")}


def _labels(output, text):
    return sorted(line.split()[1] for line in output.splitlines() if text in line)


def test_complete_run_ends_with_0_after_the_last_evaluation(start, tmp_path):
    runner = start(_COMPLETE)
    output, _ = runner.communicate(timeout=60)
    assert runner.returncode == 0
    assert _labels(output, "last evaluation") == ["evaluator.1"]
    assert _saved(tmp_path) == {"replay_server"}  # the only one that was still running
    assert "Terminated" not in output


def test_every_program_gets_folder_address_and_settings(start):
    output, _ = start(_COMPLETE).communicate(timeout=60)
    settings = "--gin_file=one.gin --gin_bindings=train.seed=1"
    client = f"--root_dir=runs/a b --replay_address=localhost:8123 {settings}"
    assert _labels(
        output, f"-m binaries.replay_server --root_dir=runs/a b --port=8123 {settings}"
    ) == ["server.1"]
    assert _labels(output, f"-m binaries.learner {client}") == ["learner.1"]
    assert _labels(output, f"-m binaries.collector {client}") == ["collector.1", "collector.2"]
    assert _labels(output, f"-m binaries.evaluator {client}") == ["evaluator.1"]


def test_make_passes_bindings_as_they_are(start):
    bindings = [
        'train.environment="HalfCheetah-v5"',
        "a.b='c'",
        "actor.hidden_units=(16,)",
        "x=[1]",
    ]
    given = [f"GIN_BINDINGS={' '.join(bindings)}", "GIN_FILE=one.gin two.gin", "PORT=8123"]
    output, _ = start(_COMPLETE, make=given).communicate(timeout=60)
    flags = ["--gin_bindings=connect.wait_s=60", "--gin_file=one.gin", "--gin_file=two.gin"]
    settings = " ".join([*flags, *(f"--gin_bindings={binding}" for binding in bindings)])
    client = f"--root_dir=runs/a b --replay_address=localhost:8123 {settings}"
    assert _labels(output, f"-m binaries.collector {client}") == ["collector.1", "collector.2"]
    assert _labels(output, f"--port=8123 {settings}") == ["server.1"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_stops_and_saves_all(start, tmp_path, number):
    runner = start()
    _wait_until_running(tmp_path)
    runner.send_signal(number)
    runner.communicate(timeout=60)
    assert runner.returncode == (130 if number == signal.SIGINT else 143)
    assert _saved(tmp_path) == set(_PROGRAMS)


def test_signal_during_start_stops_all(start):
    runner = start(collectors=8)
    runner.stdout.readline()
    runner.send_signal(signal.SIGINT)
    runner.communicate(timeout=60)
    assert runner.returncode == 130


def test_signal_in_the_middle_of_a_line_stops_all(start, tmp_path):
    runner = start({"collector": "yes | head -c 200000 &"}, collectors=1)
    _wait_until_running(tmp_path)
    _wait_until_full(runner.stdout)
    runner.send_signal(signal.SIGINT)
    runner.communicate(timeout=60)
    assert runner.returncode == 130
    assert _saved(tmp_path) == set(_PROGRAMS)


def test_all_stop_when_nobody_reads_the_output(start, tmp_path):
    runner = start()
    _wait_until_running(tmp_path)
    runner.stdout.close()
    runner.send_signal(signal.SIGINT)
    assert runner.wait(timeout=60) == 130
    assert _saved(tmp_path) == set(_PROGRAMS)


def test_invalid_configuration_stops_all_with_its_exit_code(start, tmp_path):
    others = ("replay_server", "learner", "evaluator")
    runner = start({"collector": "until [ -e go ]; do sleep 0.1; done; exit 2"}, collectors=1)
    _wait_until_running(tmp_path, others)
    (tmp_path / "go").touch()
    output, _ = runner.communicate(timeout=60)
    assert runner.returncode == 2
    assert _saved(tmp_path) == set(others)
    assert "restarting" not in output


def test_killed_program_restarts(start):
    killed_once = (
        "[ -e killed ] || { touch killed; kill -9 $$; }; "
        "until [ -e complete ]; do sleep 0.1; done; exit 0"
    )
    learner = "until [ -e killed ]; do sleep 0.1; done; sleep 2; touch complete; exit 0"
    evaluator = "until [ -e complete ]; do sleep 0.1; done; sleep 1; exit 0"
    scripts = {"collector": killed_once, "learner": learner, "evaluator": evaluator}
    runner = start(scripts, collectors=1)
    output, _ = runner.communicate(timeout=60)
    assert runner.returncode == 0
    assert _labels(output, "Exited with 137; restarting.") == ["collector.1"]
    assert len(_labels(output, "-m binaries.collector")) == 2


def test_signal_before_the_program_starts_prevents_the_start(tmp_path):
    clock = tmp_path / "date"
    clock.write_text('#!/bin/sh\ntouch "$STUBS/runs.date"\nsleep 60\n')
    clock.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "STUBS": str(tmp_path)}
    keeper = subprocess.Popen(
        ["deploy/keep.sh", "sleep", "60"], env=environment, start_new_session=True
    )
    _wait_until_running(tmp_path, ["date"])
    os.killpg(keeper.pid, signal.SIGTERM)
    assert keeper.wait(timeout=30) == -signal.SIGTERM


def test_program_that_fails_immediately_five_times_is_abandoned():
    command = ["deploy/keep.sh", "sh", "-c", "echo try; exit 7"]
    attempts = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert attempts.returncode == 7
    assert attempts.stdout.count("try") == 5


@pytest.mark.parametrize("collectors", ["two", "", "2.0"])
def test_number_of_collectors_that_is_none_is_refused(collectors):
    command = [sys.executable, "deploy/start.py", "start", "-f", "deploy/Procfile", "-c"]
    command.append(f"collector={collectors}")
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2 and refused.stdout == ""
    words = f"-c collector={collectors} must be PROGRAM=NUMBER, collector=2 for example"
    assert len(refused.stderr.splitlines()) == 1 and words in refused.stderr
