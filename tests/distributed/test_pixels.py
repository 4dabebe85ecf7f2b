"""A whole distributed run on images."""

import numpy as np

import sac_tf
from sac_tf.environments.factory import EnvironmentFactory
from tests.distributed.running import Cluster
from tests.training.left_behind import last_metrics

TASK = "tests.pixel_tasks:Reacher"
RUN = {
    "train.environment": f'"{TASK}"',
    "environment.frame_stack": 3,
    "train.total_steps": 400,
    "train.random_steps": 100,
    "train.evaluation_period": 200,
    "drq_convolutions.filters": "(8, 8)",
    "drq_convolutions.strides": "(2, 2)",
    "random_shift.pixels": 2,
    "actor.hidden_units": "(64, 64)",
    "Evaluator.episodes": 2,
}


def test_two_collectors_send_images(tmp_path):
    """The learner updates from them, and exports a policy that sees the image."""
    with Cluster(tmp_path, gin_files=("gin_configs/drq.gin",), **RUN) as cluster:
        server = cluster.serve()
        others = [cluster.collect("a"), cluster.collect("b"), cluster.learn(), cluster.evaluate()]
        assert [process.wait(300) for process in others] == [0] * 4, cluster.words()
        processes = cluster.status()["processes"]
        assert all(processes[f"collector {name}"]["steps"] > 0 for name in "ab")
        assert server.end() == 130
    assert float(last_metrics(tmp_path)["critic_loss"]) > 0
    policy = sac_tf.load_policy(tmp_path / "policy")
    observation, _ = EnvironmentFactory(TASK, frame_stack=3)._make_one({}, ()).reset(seed=0)
    assert np.abs(policy(observation) - policy(np.zeros_like(observation))).max() > 1e-6
