"""The lock on the folder of a run: one process at a time, released by a crash."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from sac_tf.errors import ConfigurationError
from sac_tf.runs.lock import locked

_HOLDS = """
import pathlib, sys, time
from sac_tf.runs.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""


def _refusal(folder):
    with pytest.raises(ConfigurationError) as caught, locked(folder):
        pass
    return str(caught.value)


def test_a_locked_folder_is_refused_and_names_the_process(tmp_path):
    folder = tmp_path / "new"
    with locked(folder):
        words = f"{folder} is in use by process {os.getpid()} on "
        assert _refusal(folder).startswith(words) and "\n" not in _refusal(folder)
        with locked(tmp_path / "other"):
            pass
    with locked(folder):
        pass


def test_a_thread_of_this_process_is_refused(tmp_path):
    messages = []
    with locked(tmp_path):
        thread = threading.Thread(target=lambda: messages.append(_refusal(tmp_path)))
        thread.start()
        thread.join()
    assert "is in use by process" in messages[0]


def test_a_killed_process_releases_the_folder(tmp_path):
    command = [sys.executable, "-c", _HOLDS, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        assert f"process {process.pid} on" in _refusal(tmp_path)
        process.send_signal(signal.SIGKILL)
    with locked(tmp_path):
        assert f"process {os.getpid()} on" in _refusal(tmp_path)


def test_an_error_releases_the_folder(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "file/run cannot be written (Not a directory)" in _refusal(tmp_path / "file/run")


def test_a_file_system_without_locks_is_used_without(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("Function not implemented")

    monkeypatch.setattr("fcntl.flock", fail)
    with locked(tmp_path):
        pass
