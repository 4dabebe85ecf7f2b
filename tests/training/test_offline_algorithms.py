"""The offline algorithms, each by its gin file: from actions of random sign, a policy that knows
which sign is better."""

import gin
import gymnasium
import numpy as np
import pytest

from sac_tf.training import offline
from sac_tf.training.offline import OfflineSettings
from sac_tf.training.train import Training
from tests.minari_data import play, write
from tests.training.left_behind import read_rows

POINT = "tests.tasks:Point-v0"
BINDINGS = f"""
train.environment = '{POINT}'
train.discount = 0.9
train.batch_size = 64
train_offline.dataset = 'point/signs-v0'
train_offline.updates = 200
train_offline.evaluation_period = 200
actor.hidden_units = (32,)
critic.hidden_units = (32,)
adam.learning_rate = 1e-2
update.updates_per_call = 4
Evaluator.episodes = 40
FixedRewardScale.scale = 10.0
RunLog.period = 200
"""


SETTINGS = {
    "cql": ["cql_gap.weight = 1.0", "cql_step.tau = 0.02", "actor/adam.learning_rate = 1e-2"],
    "cal_ql": ["cql_step.tau = 0.02", "actor/adam.learning_rate = 1e-2"],
    "iql": ["iql_steps.tau = 0.02"],
    "td3_bc": ["td3_actor_step.tau = 0.02", "td3_bc_loss.alpha = 10.0"],
}


def _returns(episodes):
    return np.array([np.sum(episode.rewards) for episode in episodes])


@pytest.fixture(scope="module")
def limits(minari_store):
    """Writes 200 episodes of actions -1 and 1; returns their mean return, and that of the best
    policy, which moves to 0."""
    environment = gymnasium.make(POINT)
    signs = np.random.default_rng(0)
    played = play(environment, 200, act=lambda _: np.float32([signs.choice([-1, 1])]))
    write("point/signs-v0", played, environment)
    best = play(environment, 200, act=lambda observation: np.clip(-10 * observation[:1], -1, 1))
    return _returns(played).mean(), _returns(best).mean()


@pytest.mark.usefixtures("without_export")
@pytest.mark.parametrize("variant", SETTINGS)
def test_the_policy_is_better_than_the_data(tmp_path, limits, variant):
    gin.clear_config()
    bindings = [*BINDINGS.strip().split("\n"), *SETTINGS[variant]]
    gin.parse_config_files_and_bindings([f"gin_configs/{variant}.gin"], bindings)
    outcome = offline.run(str(tmp_path), Training(), OfflineSettings())
    data, best = limits
    share = (outcome.evaluation.return_mean - data) / (best - data)
    assert share > 0.5, f"{share:.2f} of the way from {data:.2f} to {best:.2f}"
    metrics = dict(zip(*read_rows(tmp_path, "metrics.csv"), strict=True))
    assert float(metrics["critic_loss"]) > 0
    assert ("gap" in metrics) == (variant in ("cql", "cal_ql"))
