"""Behavior cloning by the offline program: an expert is imitated, and SAC starts from it."""

import gin
import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError
from sac_tf.training import offline
from sac_tf.training.offline import OfflineSettings
from sac_tf.training.recording import Size, demonstrator, record
from sac_tf.training.train import Training
from tests.minari_data import play, write
from tests.training.left_behind import last_checkpoint
from tests.training.small_runs import small_training

BINDINGS = """
train.environment = 'tests.toy:Delayed-v0'
actor.hidden_units = (32,)
train.batch_size = 32
update.updates_per_call = 20
train_offline.updates = 600
train_offline.evaluation_period = 600
Evaluator.episodes = 20
adam.learning_rate = 3e-3
"""


def _clone(root, *bindings):
    gin.clear_config()
    dataset = "train_offline.dataset = 'delayed/expert-v0'"
    gin.parse_config_files_and_bindings(["gin_configs/bc.gin"], [BINDINGS, dataset, *bindings])
    return offline.run(str(root), Training(), OfflineSettings())


@pytest.fixture(scope="module")
def demonstrations(minari_store):
    """Twenty episodes of an expert, whose first action is the goal."""
    environment = gymnasium.make("tests.toy:Delayed-v0")
    episodes = play(environment, 20, act=lambda observation: observation[:1])
    return write("delayed/expert-v0", episodes, environment)


@pytest.mark.usefixtures("without_export", "demonstrations")
@pytest.mark.parametrize("loss", ["negative_log_likelihood", "mean_squared_error"])
def test_the_expert_is_imitated(tmp_path, loss):
    """The best return is 0; that of the action 0 is -1/3."""
    outcome = _clone(tmp_path, f"bc_steps.loss = @{loss}")
    assert outcome.evaluation.return_mean > -0.01


@pytest.mark.usefixtures("without_export", "demonstrations")
def test_sac_starts_with_the_cloned_policy(tmp_path, capsys):
    _clone(
        tmp_path / "cloned", "train_offline.updates = 20", "train_offline.evaluation_period = 20"
    )
    settings = {"environment": "tests.toy:Delayed-v0", "initialize_from": str(tmp_path / "cloned")}
    widths = ["actor.hidden_units = (32,)", "train.total_steps = 110"]
    with pytest.raises(ConfigurationError, match="critics/model.* absent there"):
        small_training(*widths, **settings).run(str(tmp_path / "all"))
    parts = "Initialization.parts = ('actor',)"
    small_training(*widths, parts, **settings).run(str(tmp_path / "tuned"))
    assert "Starting with actor of" in capsys.readouterr().out


def _encoder(root):
    """Returns {name: value} of the convolutions of a run's policy."""
    reader = tf.train.load_checkpoint(str(last_checkpoint(root) / "state"))
    shapes = reader.get_variable_to_shape_map().items()
    names = [name for name, shape in shapes if name.startswith("state/policy/") and len(shape) == 4]
    return [reader.get_tensor(name) for name in sorted(names) if "OPTIMIZER" not in name]


@pytest.mark.usefixtures("without_export")
def test_sac_starts_with_the_cloned_encoder(minari_store, tmp_path):
    """Its critics have it too: the policy gets theirs after each of their steps, which are tiny."""
    task = "tests.pixel_tasks:Reacher"
    player = demonstrator("tests.demonstrators:toward_goal", EnvironmentFactory(task))
    settings = {"seed": 0, "successes_only": False, "is_interrupted": lambda: False}
    record(player, "disc/expert-v0", Size(2, "episode"), **settings)
    images = [
        "import sac_tf.networks.encoders",
        "actor.inputs = @encoded_inputs",
        "drq_convolutions.filters = (4, 4)",
        "drq_convolutions.strides = (2, 2)",
        "actor.hidden_units = (8,)",
    ]
    of_reacher = [f"train.environment = '{task}'", "train_offline.dataset = 'disc/expert-v0'"]
    _clone(tmp_path / "cloned", *images, *of_reacher, "train_offline.updates = 40")
    small_training(
        *images,
        "critic.inputs = @encoded_inputs",
        "critic/adam.learning_rate = 1e-9",
        "Initialization.parts = ('actor',)",
        "train.total_steps = 110",
        environment=task,
        initialize_from=str(tmp_path / "cloned"),
    ).run(str(tmp_path / "tuned"))
    cloned = _encoder(tmp_path / "cloned")
    assert len(cloned) == 2
    for kernel, tuned in zip(cloned, _encoder(tmp_path / "tuned"), strict=True):
        np.testing.assert_allclose(tuned, kernel, atol=1e-6)
