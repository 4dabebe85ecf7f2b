"""Learning on several devices: runs `two_devices.py` in a separate process, because TensorFlow
creates its devices only once per process."""

import subprocess
import sys
from pathlib import Path


def test_on_two_logical_cpus():
    command = [sys.executable, "-m", "pytest", str(Path(__file__).with_name("two_devices.py"))]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert finished.returncode == 0, finished.stdout[-10_000:] + finished.stderr[-2_000:]
