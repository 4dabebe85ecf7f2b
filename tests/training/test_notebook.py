"""Runs in a process where TensorFlow has run already, as in a notebook: in a thread, and twice."""

import subprocess
import sys

_NOTEBOOK = """
import sys, threading
import tensorflow as tf
print(int(tf.constant(1) + 1))
from tests.training.small_runs import small_training
sizes = {"total_steps": 120, "evaluation_period": 120}
outcomes = []

def train(root):
    outcomes.append(small_training("Evaluator.episodes = 1", **sizes).run(root))

thread = threading.Thread(target=train, args=[sys.argv[1] + "/thread"])
thread.start()
thread.join()
train(sys.argv[1] + "/main")
print([(outcome.step, outcome.stopped_by) for outcome in outcomes])
"""


def test_two_runs_train_after_tensorflow_and_in_a_thread(tmp_path):
    process = subprocess.run(
        [sys.executable, "-c", _NOTEBOOK, tmp_path], capture_output=True, text=True, timeout=600
    )
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert lines[-1] == "[(120, None), (120, None)]"
    assert sum(line.startswith("TensorFlow has run in this process with") for line in lines) == 2
    assert sum(line.startswith("This is not the main thread") for line in lines) == 1
    evaluations = [(tmp_path / name / "evaluations.csv") for name in ("thread", "main")]
    assert len({path.read_text().rpartition(",")[2] for path in evaluations}) == 1
