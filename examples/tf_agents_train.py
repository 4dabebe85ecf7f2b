"""Trains Soft Actor-Critic on a Gymnasium task with TF-Agents' own Learner, Actor and Reverb
classes.

    python -m examples.tf_agents_train --root_dir=runs/tf_agents

To train the agent of TF-Agents instead, import SacAgent from tf_agents.agents; nothing else
changes.
"""

from pathlib import Path

import reverb
import tensorflow as tf
from absl import app, flags
from tf_agents.agents import tf_agent
from tf_agents.agents.ddpg.critic_network import CriticNetwork
from tf_agents.agents.sac.tanh_normal_projection_network import TanhNormalProjectionNetwork
from tf_agents.environments import py_environment
from tf_agents.networks.actor_distribution_network import ActorDistributionNetwork
from tf_agents.policies import greedy_policy, py_tf_eager_policy, random_py_policy
from tf_agents.replay_buffers import reverb_replay_buffer, reverb_utils
from tf_agents.train import actor, learner, triggers
from tf_agents.train.utils import spec_utils, train_utils

from sac_tf.tf_agents import SacAgent, suite_gymnasium

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "root_dir", None, "Folder for checkpoints, summaries and policies.", required=True
)
flags.DEFINE_string("environment", "Pendulum-v1", "Gymnasium id.")
flags.DEFINE_integer(
    "random_steps", 1_000, "Environment steps with random actions before learning."
)
flags.DEFINE_integer(
    "steps", 14_000, "Environment steps after the random ones, each with one gradient step."
)
flags.DEFINE_integer(
    "seed", 0, "Seed of weights, actions and environments; Reverb's sampling cannot be seeded."
)


def main(_: list[str]) -> None:
    # Absolute, because a task may change the working directory.
    FLAGS.root_dir = str(Path(FLAGS.root_dir).expanduser().absolute())
    tf.random.set_seed(FLAGS.seed)
    environment = suite_gymnasium.load(FLAGS.environment, seed=FLAGS.seed)
    train_step = train_utils.create_train_step()
    agent = make_agent(environment, train_step)
    server = make_server()
    replay = reverb_replay_buffer.ReverbReplayBuffer(
        agent.collect_data_spec, "replay", sequence_length=2, local_server=server
    )
    observer = reverb_utils.ReverbAddTrajectoryObserver(
        replay.py_client, "replay", sequence_length=2
    )
    trainer = make_learner(agent, train_step, replay)
    collect_randomly(environment, train_step, observer)
    explorer = py_tf_eager_policy.PyTFEagerPolicy(agent.collect_policy, use_tf_function=True)
    collector = actor.Actor(
        environment, explorer, train_step, steps_per_run=1, observers=[observer]
    )
    evaluator = make_evaluator(agent, train_step)
    for _ in range(FLAGS.steps):
        collector.run()
        trainer.run(iterations=1)
    evaluator.run()
    mean_return = evaluator.metrics[0].result()
    print(f"{int(train_step)} updates, return {mean_return:.1f} over 10 episodes")
    observer.close()
    server.stop()


def make_agent(
    environment: py_environment.PyEnvironment, train_step: tf.Variable
) -> tf_agent.TFAgent:
    observations, actions, time_steps = spec_utils.get_tensor_specs(environment)
    return SacAgent(
        time_steps,
        actions,
        critic_network=CriticNetwork((observations, actions), joint_fc_layer_params=(256, 256)),
        actor_network=ActorDistributionNetwork(
            observations,
            actions,
            fc_layer_params=(256, 256),
            continuous_projection_net=TanhNormalProjectionNetwork,
        ),
        actor_optimizer=tf.keras.optimizers.Adam(1e-3),
        critic_optimizer=tf.keras.optimizers.Adam(1e-3),
        alpha_optimizer=tf.keras.optimizers.Adam(1e-3),
        gamma=0.99,
        target_update_tau=0.005,
        train_step_counter=train_step,
    )


def make_server() -> reverb.Server:
    table = reverb.Table(
        "replay",
        sampler=reverb.selectors.Uniform(),
        remover=reverb.selectors.Fifo(),
        max_size=100_000,
        rate_limiter=reverb.rate_limiters.MinSize(1),
    )
    return reverb.Server([table])


def make_learner(
    agent: tf_agent.TFAgent,
    train_step: tf.Variable,
    replay: reverb_replay_buffer.ReverbReplayBuffer,
) -> learner.Learner:
    save_policies = triggers.PolicySavedModelTrigger(
        f"{FLAGS.root_dir}/policies", agent, train_step, interval=5_000
    )
    return learner.Learner(
        FLAGS.root_dir,
        train_step,
        agent,
        experience_dataset_fn=lambda: replay.as_dataset(64, num_steps=2).prefetch(8),
        triggers=[save_policies],
    )


def collect_randomly(
    environment: py_environment.PyEnvironment,
    train_step: tf.Variable,
    observer: reverb_utils.ReverbAddTrajectoryObserver,
) -> None:
    policy = random_py_policy.RandomPyPolicy(
        environment.time_step_spec(), environment.action_spec()
    )
    actor.Actor(
        environment,
        policy,
        train_step,
        steps_per_run=FLAGS.random_steps,
        observers=[observer],
    ).run()


def make_evaluator(agent: tf_agent.TFAgent, train_step: tf.Variable) -> actor.Actor:
    environment = suite_gymnasium.load(FLAGS.environment, seed=FLAGS.seed + 1_000)
    policy = py_tf_eager_policy.PyTFEagerPolicy(
        greedy_policy.GreedyPolicy(agent.policy), use_tf_function=True
    )
    return actor.Actor(
        environment, policy, train_step, episodes_per_run=10, metrics=actor.eval_metrics(10)
    )


if __name__ == "__main__":
    app.run(main)
