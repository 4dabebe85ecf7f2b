"""Imports of the programs of a distributed run, made once for all processes that tests fork."""

import os

# As `launch.run` does before TensorFlow is imported.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")

import sac_tf.agents.mirrored
import sac_tf.distributed.collector
import sac_tf.distributed.evaluator
import sac_tf.distributed.learner
import sac_tf.distributed.replay_server
import sac_tf.distributed.settings
import sac_tf.training.train  # noqa: F401
