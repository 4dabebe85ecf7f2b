"""The folder of a run: the name of every file in it.

The replay names its own files below `REPLAY`, an exported policy those below `POLICY`.
"""

CONFIGURATION = "config.gin"
METRICS = "metrics.csv"
EVALUATIONS = "evaluations.csv"
TENSORBOARD = "tensorboard"
CHECKPOINTS = "checkpoints"
LEARNING_CURVE = "learning_curve.png"
POLICY = "policy"
NATIVE_LOG = "native.log"

REPLAY_SERVER = "replay_server"
"""Of a distributed run: what the replay server keeps."""
COLLECTORS = "collectors"
"""Of a distributed run: a folder for each collector, with its episodes.csv."""
EPISODES = "episodes.csv"
EVALUATOR = "evaluator"
"""Of a distributed run: the native log of the evaluator."""

# In a checkpoint.
MANIFEST = "manifest.json"
PROGRESS = "progress.json"
STATE = "state"
REPLAY = "replay"
