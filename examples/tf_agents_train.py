"""Trains Soft Actor-Critic on a Gymnasium task with TF-Agents' own Learner, Actor and Reverb
classes.

    python -m examples.tf_agents_train --root_dir=runs/tf_agents

To train the agent of TF-Agents instead, import SacAgent from tf_agents.agents: nothing else
changes.
"""

import reverb
import tensorflow as tf
from absl import app, flags
from tf_agents.agents.ddpg.critic_network import CriticNetwork
from tf_agents.agents.sac.tanh_normal_projection_network import TanhNormalProjectionNetwork
from tf_agents.networks.actor_distribution_network import ActorDistributionNetwork
from tf_agents.policies import greedy_policy, py_tf_eager_policy, random_py_policy
from tf_agents.replay_buffers import reverb_replay_buffer, reverb_utils
from tf_agents.train import actor, learner, triggers
from tf_agents.train.utils import spec_utils, train_utils

from sac_tf.tf_agents import SacAgent, suite_gymnasium

FLAGS = flags.FLAGS
flags.DEFINE_string("root_dir", None, "Checkpoints, summaries and policies go here.", required=True)
flags.DEFINE_string("environment", "Pendulum-v1", "Gymnasium id.")
flags.DEFINE_integer(
    "random_steps", 1_000, "Environment steps before learning, with random actions."
)
flags.DEFINE_integer("steps", 14_000, "Environment steps after these, with an update for each.")
flags.DEFINE_integer(
    "seed", 0, "Of weights, actions and environments; Reverb's sampling cannot be seeded."
)


def main(_: list[str]) -> None:
    tf.random.set_seed(FLAGS.seed)
    environment = suite_gymnasium.load(FLAGS.environment, seed=FLAGS.seed)
    test_environment = suite_gymnasium.load(FLAGS.environment, seed=FLAGS.seed + 1_000)
    observations, actions, time_steps = spec_utils.get_tensor_specs(environment)
    adam, step = lambda: tf.keras.optimizers.Adam(1e-3), train_utils.create_train_step()
    agent = SacAgent(
        time_steps,
        actions,
        critic_network=CriticNetwork((observations, actions), joint_fc_layer_params=(256, 256)),
        actor_network=ActorDistributionNetwork(
            observations,
            actions,
            fc_layer_params=(256, 256),
            continuous_projection_net=TanhNormalProjectionNetwork,
        ),
        actor_optimizer=adam(),
        critic_optimizer=adam(),
        alpha_optimizer=adam(),
        gamma=0.99,
        target_update_tau=0.005,
        train_step_counter=step,
    )
    server = make_server()
    replay = reverb_replay_buffer.ReverbReplayBuffer(
        agent.collect_data_spec, "replay", 2, local_server=server
    )
    observer = reverb_utils.ReverbAddTrajectoryObserver(
        replay.py_client, "replay", sequence_length=2
    )
    save = triggers.PolicySavedModelTrigger(
        f"{FLAGS.root_dir}/policies", agent, step, interval=5_000
    )
    trainer = learner.Learner(
        FLAGS.root_dir,
        step,
        agent,
        lambda: replay.as_dataset(64, num_steps=2).prefetch(8),
        triggers=[save],
    )
    random_policy = random_py_policy.RandomPyPolicy(
        environment.time_step_spec(), environment.action_spec()
    )
    explorer = py_tf_eager_policy.PyTFEagerPolicy(agent.collect_policy, use_tf_function=True)
    greedy = py_tf_eager_policy.PyTFEagerPolicy(
        greedy_policy.GreedyPolicy(agent.policy), use_tf_function=True
    )
    actor.Actor(environment, random_policy, step, FLAGS.random_steps, observers=[observer]).run()
    collector = actor.Actor(environment, explorer, step, steps_per_run=1, observers=[observer])
    evaluator = actor.Actor(
        test_environment, greedy, step, episodes_per_run=10, metrics=actor.eval_metrics(10)
    )
    for _ in range(FLAGS.steps):
        collector.run()
        trainer.run(iterations=1)
    evaluator.run()
    print(f"{int(step)} updates, return {evaluator.metrics[0].result():.1f} over 10 episodes")
    observer.close()
    server.stop()


def make_server() -> reverb.Server:
    select, remove, limit = (
        reverb.selectors.Uniform(),
        reverb.selectors.Fifo(),
        reverb.rate_limiters.MinSize(1),
    )
    return reverb.Server(
        [reverb.Table("replay", select, remove, max_size=100_000, rate_limiter=limit)]
    )


if __name__ == "__main__":
    app.run(main)
