"""File names in the folder of a run.

The replay names its own files in `REPLAY`, and an exported policy those in `POLICY`.
"""

CONFIGURATION = "config.gin"
TASK = "task.json"
METRICS = "metrics.csv"
EVALUATIONS = "evaluations.csv"
TENSORBOARD = "tensorboard"
CHECKPOINTS = "checkpoints"
LEARNING_CURVE = "learning_curve.png"
POLICY = "policy"
NATIVE_LOG = "native.log"
LOCK = ".lock"
"""Locked by the process that trains or serves in the folder; names that process."""

REPLAY_SERVER = "replay_server"
"""Of a distributed run: the state of the replay server."""
COLLECTORS = "collectors"
"""Of a distributed run: a folder for each collector, with its episodes.csv."""
EPISODES = "episodes.csv"
EVALUATOR = "evaluator"
"""Of a distributed run: the native log and the lock of the evaluator."""

# In a checkpoint.
MANIFEST = "manifest.json"
PROGRESS = "progress.json"
STATE = "state"
REPLAY = "replay"
