"""The agent in unmodified classes of TF-Agents: drivers, replay, metrics, savers, checkpoints."""

import operator

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.drivers import dynamic_episode_driver, dynamic_step_driver
from tf_agents.environments import tf_py_environment
from tf_agents.eval import metric_utils
from tf_agents.metrics import tf_metrics
from tf_agents.policies import greedy_policy, policy_saver, py_tf_eager_policy
from tf_agents.replay_buffers import tf_uniform_replay_buffer
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts
from tf_agents.utils import common

from sac_tf.tf_agents import SacAgent, suite_gymnasium


def pendulum(copies: int, steps: int = 20) -> tf_py_environment.TFPyEnvironment:
    return tf_py_environment.TFPyEnvironment(
        suite_gymnasium.load(
            "Pendulum-v1", max_episode_steps=steps, num_environments=copies, seed=0
        )
    )


def make(environment, seed: int = 0) -> SacAgent:
    tf.random.set_seed(seed)
    counter = tf.Variable(0, dtype=tf.int64)
    return SacAgent(
        environment.time_step_spec(), environment.action_spec(), train_step_counter=counter
    )


@pytest.mark.parametrize("driver_class", ["step", "episode"])
def test_drivers_uniform_replay_and_training(driver_class):
    environment = pendulum(copies=2)
    agent = make(environment)
    replay = tf_uniform_replay_buffer.TFUniformReplayBuffer(
        agent.collect_data_spec, batch_size=2, max_length=100
    )
    steps = tf_metrics.EnvironmentSteps()
    observers = [replay.add_batch, steps]
    if driver_class == "step":
        driver = dynamic_step_driver.DynamicStepDriver(
            environment, agent.collect_policy, observers, num_steps=60
        )
    else:
        driver = dynamic_episode_driver.DynamicEpisodeDriver(
            environment, agent.collect_policy, observers, num_episodes=4
        )
    driver.run()
    dataset = replay.as_dataset(sample_batch_size=32, num_steps=2).map(
        lambda experience, _: agent.preprocess_sequence(experience)
    )
    train = common.function(agent.train)
    before = agent.state.critics.model.variables[0].numpy()
    for experience in dataset.take(3):
        info = train(experience)

    assert int(steps.result()) >= 60
    assert int(agent.train_step_counter) == 3
    assert np.isfinite(info.loss)
    assert np.any(before != agent.state.critics.model.variables[0].numpy())


def test_metrics_of_the_greedy_policy():
    environment = pendulum(copies=1)
    policy = greedy_policy.GreedyPolicy(make(environment).policy)
    metrics = [tf_metrics.AverageReturnMetric(), tf_metrics.AverageEpisodeLengthMetric()]

    results = metric_utils.eager_compute(metrics, environment, policy, num_episodes=2)

    assert float(results["AverageEpisodeLength"]) == 20
    assert -400 < float(results["AverageReturn"]) < 0


def test_greedy_policy_takes_the_mean_and_others_sample():
    agent = make(pendulum(copies=1))
    step = ts.restart(tf.random.normal([5, 3]), 5)
    loc, _ = agent.state.policy.network._network._model([step.observation])
    greedy = greedy_policy.GreedyPolicy(agent.policy).action(step).action

    np.testing.assert_allclose(greedy, 2 * np.tanh(loc), rtol=1e-5)
    first = agent.collect_policy.action(step).action
    second = agent.collect_policy.action(step).action
    assert np.all(first != second)


def test_a_saved_policy_acts_like_the_agent(tmp_path):
    agent = make(pendulum(copies=1))
    policy = greedy_policy.GreedyPolicy(agent.policy)
    step = ts.restart(tf.random.normal([4, 3]), 4)
    policy_saver.PolicySaver(policy).save(str(tmp_path / "greedy"))
    policy_saver.PolicySaver(agent.collect_policy).save(str(tmp_path / "collect"))

    greedy = tf.saved_model.load(str(tmp_path / "greedy"))
    collect = tf.saved_model.load(str(tmp_path / "collect"))

    np.testing.assert_allclose(greedy.action(step).action, policy.action(step).action, rtol=1e-6)
    assert np.any(collect.action(step).action != collect.action(step).action)


def test_python_policy_on_a_python_environment():
    environment = suite_gymnasium.load("Pendulum-v1", seed=0)
    agent = make(tf_py_environment.TFPyEnvironment(environment))
    policy = py_tf_eager_policy.PyTFEagerPolicy(agent.collect_policy, use_tf_function=True)
    action = policy.action(environment.reset()).action

    assert action.shape == (1,)
    assert environment.step(action).reward < 0


def test_checkpointer_restores_everything(tmp_path):
    """An agent with another seed, after restoring, trains exactly like the saved agent."""
    environment = pendulum(copies=1)
    saved = make(environment, seed=0)
    other = make(environment, seed=1)
    given = tensor_spec.sample_spec_nest(saved.collect_data_spec, outer_dims=(8, 2))
    given = given._replace(step_type=tf.ones([8, 2], tf.int32), reward=tf.ones([8, 2]))
    saved.train(given)
    common.Checkpointer(str(tmp_path), agent=saved, train_step=saved.train_step_counter).save(0)
    common.Checkpointer(
        str(tmp_path), agent=other, train_step=other.train_step_counter
    ).initialize_or_restore()

    for agent in (saved, other):
        tf.random.set_seed(9)
        agent.train(given)
    assert int(other.train_step_counter) == int(other.state.updates) == 2
    for name in ("policy", "critics.model", "critics.target"):
        variables = operator.attrgetter(name)(saved.state).variables
        restored = operator.attrgetter(name)(other.state).variables
        for one, two in zip(variables, restored, strict=True):
            np.testing.assert_array_equal(one.numpy(), two.numpy())
    assert float(saved.state.temperature.model.parameter) == float(
        other.state.temperature.model.parameter
    )
