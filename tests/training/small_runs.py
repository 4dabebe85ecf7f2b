"""Small training runs, configured by gin."""

import gin

from sac_tf.training.train import Training

SMALL = """
actor.hidden_units = (16,)
critic.hidden_units = (16,)
update.updates_per_call = 1
Evaluator.episodes = 2
RunLog.period = 100
train.batch_size = 16
train.total_steps = 400
train.random_steps = 100
train.evaluation_period = 100
train.checkpoint_period = 200
"""


def small_training(*bindings, files=(), environment="tests.toy:Counter-v0", **settings):
    """Returns the small run, with other bindings and with other `settings` of train."""
    gin.clear_config()
    settings = {"environment": environment, **settings}
    bound = [f"train.{name} = {value!r}" for name, value in settings.items()]
    gin.parse_config_files_and_bindings(list(files), [SMALL, *bindings, *bound])
    return Training()
