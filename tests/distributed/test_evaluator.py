"""The evaluator of a distributed run, in this process."""

import csv
import json
import time

import gin
import pytest

from sac_tf.distributed import evaluator
from sac_tf.distributed.connection import describe_task
from sac_tf.distributed.messages import STATUS_TABLE, PublishedPolicy, publish, send, values_of
from sac_tf.distributed.settings import configuration_of
from sac_tf.errors import ConfigurationError
from sac_tf.training.train import Training


def _training(*bindings):
    gin.parse_config(
        [
            "train.environment = 'tests.tasks:Reaching-v0'",
            "train.total_steps = 100",
            "actor.hidden_units = (16,)",
            "critic.hidden_units = (16,)",
            "EpisodeInfo.keys = ('x_position',)",
            *bindings,
        ]
    )
    return Training()


def _publish(server, training):
    """Publishes status and the last policy of a run."""
    spec = training.environment_factory.spec()
    settings = configuration_of(training).settings
    task = describe_task(training.environment, spec)
    send(server.client, STATUS_TABLE, {"task": task, "settings": settings, "servers": 1})
    values = values_of(training.make_policy(spec))
    policy = PublishedPolicy(
        values=values,
        updates=50,
        step=100,
        elapsed=1.0,
        new_priority=1.0,
        is_last=True,
        published=time.time(),
    )
    publish(server.client, policy)


def test_success_and_the_best_policy_are_written(serve, tmp_path):
    training = _training()
    server = serve()
    _publish(server, training)
    root = tmp_path / "run"
    root.mkdir()
    assert evaluator.run(str(root), [server.address], training) is None
    with (root / "evaluations.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["step"] == "100" and 0 <= float(row["success_rate"]) <= 1 and row["info_x_position"]
    spec = json.loads((root / "best_policy/policy_spec.json").read_text())
    assert spec["step"] == 100 and spec["return"] == pytest.approx(
        float(row["return_mean"]), rel=1e-5
    )


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        ("Evaluator.episodes = 0", "leaves nothing to do here; do not start this program"),
        ("Evaluator.in_training_environment = True", "is for one process"),
    ],
)
def test_settings_for_other_runs_are_refused(serve, tmp_path, binding, words):
    training = _training(binding)
    server = serve()
    _publish(server, training)
    with pytest.raises(ConfigurationError, match=words):
        evaluator.run(str(tmp_path), [server.address], training)
