"""Trains Soft Actor-Critic on a Gymnasium task with TF-Agents' own Learner, Actor and Reverb classes.

    python -m examples.tf_agents_train --root_dir=runs/tf_agents

To train the agent of TF-Agents instead, import SacAgent from tf_agents.agents; nothing else changes.
"""

import reverb
import tensorflow as tf
from absl import app, flags
from tf_agents.agents.ddpg.critic_network import CriticNetwork
from tf_agents.agents.sac.tanh_normal_projection_network import TanhNormalProjectionNetwork
from tf_agents.metrics import py_metrics
from tf_agents.networks.actor_distribution_network import ActorDistributionNetwork
from tf_agents.policies import greedy_policy, py_tf_eager_policy, random_py_policy
from tf_agents.replay_buffers import reverb_replay_buffer, reverb_utils
from tf_agents.train import actor, learner, triggers
from tf_agents.train.utils import spec_utils, train_utils

from sac_tf.tf_agents import SacAgent, suite_gymnasium

FLAGS = flags.FLAGS
flags.DEFINE_string("root_dir", None, "Checkpoints, summaries and policies go here.", required=True)
flags.DEFINE_string("environment", "Pendulum-v1", "Gymnasium id.")
flags.DEFINE_integer("steps", 15_000, "Environment steps.")
flags.DEFINE_integer("random_steps", 1_000, "Of these, with random actions.")
flags.DEFINE_integer("seed", 0, "Of weights, actions and environments; Reverb's sampling cannot be seeded.")


def main(_: list[str]) -> None:
    tf.random.set_seed(FLAGS.seed)
    environment = suite_gymnasium.load(FLAGS.environment, seed=FLAGS.seed)
    test_environment = suite_gymnasium.load(FLAGS.environment, seed=FLAGS.seed + 1000)
    observation_spec, action_spec, time_step_spec = spec_utils.get_tensor_specs(environment)
    train_step = train_utils.create_train_step()
    agent = SacAgent(
        time_step_spec,
        action_spec,
        critic_network=CriticNetwork(
            (observation_spec, action_spec),
            joint_fc_layer_params=(256, 256),
            kernel_initializer="glorot_uniform",
            last_kernel_initializer="glorot_uniform",
        ),
        actor_network=ActorDistributionNetwork(
            observation_spec,
            action_spec,
            fc_layer_params=(256, 256),
            continuous_projection_net=TanhNormalProjectionNetwork,
        ),
        actor_optimizer=tf.keras.optimizers.Adam(1e-3),
        critic_optimizer=tf.keras.optimizers.Adam(1e-3),
        alpha_optimizer=tf.keras.optimizers.Adam(1e-3),
        target_update_tau=0.005,
        gamma=0.99,
        train_step_counter=train_step,
    )
    agent.initialize()
    table = reverb.Table("rows", reverb.selectors.Uniform(), reverb.selectors.Fifo(), 1_000_000, reverb.rate_limiters.MinSize(1))
    server = reverb.Server([table])
    replay = reverb_replay_buffer.ReverbReplayBuffer(
        agent.collect_data_spec, sequence_length=2, table_name="rows", local_server=server
    )
    observer = reverb_utils.ReverbAddTrajectoryObserver(replay.py_client, "rows", sequence_length=2, stride_length=1)
    dataset = replay.as_dataset(sample_batch_size=256, num_steps=2).prefetch(8)

