"""Gymnasium environments as PyEnvironments: specs, episodes, time limits, seeds, wrappers."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.environments import tf_py_environment, utils, wrappers
from tf_agents.trajectories import time_step as ts

from sac_tf.errors import ConfigurationError
from sac_tf.tf_agents import suite_gymnasium
from tests.tf_agents.making import message_of


class Countdown(gymnasium.Env):
    """Terminates after four steps; has float64 spaces, which TF-Agents must see as float32."""

    observation_space = gymnasium.spaces.Dict(
        {
            "count": gymnasium.spaces.Box(-np.inf, np.inf, (1,), dtype=np.float64),
            "noise": gymnasium.spaces.Box(0, 1, (2,)),
        }
    )
    action_space = gymnasium.spaces.Box(
        np.array([-0.1, -2.0]), np.array([0.7, 3.0]), dtype=np.float64
    )

    def __init__(self, length: int = 4):
        self._length = length

    def reset(self, seed=None, options=None):
        super().reset(seed=seed, options=options)
        self._count = 0
        return self._observe(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self._count += 1
        reward = 0.1 * self._count
        terminated = self._count == self._length
        truncated = False
        return self._observe(), reward, terminated, truncated, {"count": self._count}

    def _observe(self):
        return {
            "count": np.array([self._count], np.float64),
            "noise": self.np_random.random(2).astype(np.float32),
        }


@pytest.fixture(autouse=True, scope="module")
def registered():
    gymnasium.register("Countdown-v0", Countdown, max_episode_steps=10)
    yield
    del gymnasium.registry["Countdown-v0"]


def episode(environment, action):
    """Returns the time steps of one episode, including the first and the last."""
    steps = [environment.reset()]
    while not steps[-1].is_last():
        steps.append(environment.step(action))
        assert len(steps) < 50
    return steps


@pytest.mark.parametrize(
    "name", ["Pendulum-v1", "CartPole-v1", "Countdown-v0", "InvertedPendulum-v5"]
)
@pytest.mark.parametrize("copies", [None, 2])
def test_an_environment_conforms_to_its_specs(name, copies):
    environment = suite_gymnasium.load(name, max_episode_steps=20, num_environments=copies, seed=0)

    utils.validate_py_environment(environment, episodes=3)


def test_rewards_and_discounts_of_a_terminated_episode():
    steps = episode(suite_gymnasium.load("Countdown-v0"), np.array([0.7, 3.0], np.float32))

    assert [int(step.step_type) for step in steps] == [0, 1, 1, 1, 2]
    np.testing.assert_allclose([step.reward for step in steps], [0, 0.1, 0.2, 0.3, 0.4])
    assert [float(step.discount) for step in steps] == [1, 1, 1, 1, 0]
    assert [float(step.observation["count"][0]) for step in steps] == [0, 1, 2, 3, 4]
    assert {leaf.dtype for step in steps for leaf in step.observation.values()} == {
        np.dtype(np.float32)
    }
    assert steps[-1].reward.dtype == np.float32


@pytest.mark.parametrize(
    ("limit", "length", "last_discount"), [(3, 3, 0.9), (None, 4, 0.0), (0, 4, 0.0), (4, 4, 0.0)]
)
def test_a_time_limit_keeps_the_discount(limit, length, last_discount):
    steps = episode(suite_gymnasium.load("Countdown-v0", 0.9, limit), np.zeros(2, np.float32))

    assert len(steps) - 1 == length
    assert float(steps[-1].discount) == pytest.approx(last_discount)
    assert [float(step.discount) for step in steps[1:-1]] == pytest.approx([0.9] * (length - 1))


def test_the_registered_limit_can_be_raised_and_removed():
    def longest(limit):
        environment = suite_gymnasium.load(
            "Countdown-v0", max_episode_steps=limit, gym_kwargs={"length": 12}
        )
        return len(episode(environment, np.zeros(2, np.float32))) - 1

    assert [longest(None), longest(11), longest(0)] == [10, 11, 12]


def test_an_episode_follows_the_previous_one():
    environment = suite_gymnasium.load("Countdown-v0")
    types = [int(environment.step(np.zeros(2, np.float32)).step_type) for _ in range(7)]

    assert types == [0, 1, 1, 1, 2, 0, 1]


def test_a_seed_repeats_a_run_but_episodes_differ():
    def observations(environment):
        return [environment.reset().observation["noise"].tolist() for _ in range(3)]

    first = observations(suite_gymnasium.load("Countdown-v0", seed=5))
    again = suite_gymnasium.load("Countdown-v0")
    again.seed(5)

    assert observations(again) == first
    assert first[0] != first[1]
    assert observations(suite_gymnasium.load("Countdown-v0", seed=6)) != first


def test_copies_differ_and_the_first_equals_a_single_one():
    batch = suite_gymnasium.load("Countdown-v0", num_environments=3, seed=5)
    noise = batch.reset().observation["noise"]
    single = suite_gymnasium.load("Countdown-v0", seed=5)

    assert batch.batch_size == 3
    assert len(np.unique(noise[:, 0])) == 3
    np.testing.assert_array_equal(noise[0], single.reset().observation["noise"])


def test_gymnasium_and_tf_agents_wrappers_are_applied():
    def scale_reward(environment):
        return gymnasium.wrappers.TransformReward(environment, lambda reward: reward * 10)

    def repeat_actions(environment):
        return wrappers.ActionRepeat(environment, 2)

    environment = suite_gymnasium.load(
        "Countdown-v0", gym_env_wrappers=[scale_reward], env_wrappers=[repeat_actions]
    )
    steps = episode(environment, np.zeros(2, np.float32))

    np.testing.assert_allclose([step.reward for step in steps], [0, 3, 7], rtol=1e-6)


def test_steps_in_a_tensorflow_environment():
    environment = tf_py_environment.TFPyEnvironment(suite_gymnasium.load("Countdown-v0"))
    first = environment.reset()

    assert first.observation["count"].shape == (1, 1)
    assert environment.step(tf.constant([[0.7, 3.0]])).step_type.numpy() == [ts.StepType.MID]


def test_specs_follow_the_spaces():
    spec = suite_gymnasium.load("Countdown-v0").action_spec()

    assert spec.dtype == np.float32
    np.testing.assert_array_equal(spec.minimum, np.array([-0.1, -2.0], np.float32))
    assert suite_gymnasium.load("CartPole-v1").action_spec().maximum == 1


def test_rendering_and_info():
    environment = suite_gymnasium.load("Countdown-v0")
    environment.reset()
    environment.step(np.zeros(2, np.float32))

    assert environment.get_info() == {"count": 1}
    with pytest.raises(ConfigurationError, match=r"mode='rgb_array'.*render_mode"):
        environment.render()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"environment_name": "NoSuchTask-v0"}, "environment_name='NoSuchTask-v0'"),
        (
            {"environment_name": "no_such_module:Task-v0"},
            "environment_name='no_such_module:Task-v0'",
        ),
        (
            {"environment_name": "Countdown-v0", "max_episode_steps": -1},
            "max_episode_steps .*got -1",
        ),
        ({"environment_name": "Countdown-v0", "num_environments": 0}, "num_environments .*got 0"),
        ({"environment_name": "Countdown-v0", "discount": 1.5}, "discount .*got 1.5"),
    ],
)
def test_bad_input_raises_one_sentence(arguments, message):
    with pytest.raises(ConfigurationError, match=message) as error:
        suite_gymnasium.load(**arguments)
    assert "\n" not in message_of(error)
