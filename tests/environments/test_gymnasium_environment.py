import gymnasium
import numpy as np
import pytest

from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment
from sac_tf.errors import ConfigurationError, RunError
from tests import toy


def test_actions_are_scaled_to_the_bounds():
    environment = GymnasiumEnvironment("tests.toy:Counter-v0", num_environments=3)
    environment.reset(seed=0)
    step = environment.step(np.array([[-1.0], [0.0], [1.0]], np.float32))
    np.testing.assert_allclose(step.reward, [-2.0, -0.75, 0.5])
    assert step.reward.dtype == np.float32
    np.testing.assert_allclose(environment.spec.action_low, [-2.0])
    np.testing.assert_allclose(environment.spec.action_high, [0.5])


def test_rounded_actions_stay_within_uneven_bounds():
    environment = GymnasiumEnvironment("tests.toy:Uneven-v0", num_environments=2)
    environment.reset(seed=0)
    # The toy environment asserts that its space contains the action.
    step = environment.step(np.array([[-1.0], [1.0]], np.float32))
    np.testing.assert_array_equal(step.reward, np.float32([1.304, 4.1452427]))


def test_successor_and_observation_differ_at_an_episode_end():
    environment = GymnasiumEnvironment("tests.toy:Counter-v0")
    np.testing.assert_array_equal(environment.reset(seed=0), [[1, 0]])
    for _ in range(toy.LENGTH - 1):
        step = environment.step(np.zeros((1, 1), np.float32))
        assert not step.terminated[0] and not step.truncated[0]
        np.testing.assert_array_equal(step.successor, step.observation)
    step = environment.step(np.zeros((1, 1), np.float32))
    assert step.terminated[0] and not step.truncated[0]
    np.testing.assert_array_equal(step.successor, [[1, toy.LENGTH]])
    np.testing.assert_array_equal(step.observation, [[2, 0]])
    for _ in range(toy.LENGTH):
        step = environment.step(np.zeros((1, 1), np.float32))
    assert step.truncated[0] and not step.terminated[0]


def test_a_step_has_the_info_of_each_environment():
    environment = GymnasiumEnvironment("tests.toy:Counter-v0", num_environments=2)
    environment.reset(seed=0)
    infos = [environment.step(np.zeros((2, 1), np.float32)).info for _ in range(toy.LENGTH)]
    assert infos[-2:] == [({"is_success": False},) * 2, ({"is_success": True},) * 2]


def test_the_time_limit_is_that_of_the_task():
    assert GymnasiumEnvironment("Pendulum-v1").max_episode_steps == 200
    assert GymnasiumEnvironment("tests.toy:Counter-v0").max_episode_steps is None


def test_each_environment_is_seeded_once_with_its_own_seed():
    environment = GymnasiumEnvironment("tests.toy:Counter-v0", num_environments=2)
    environment.reset(seed=7)
    for _ in range(2 * toy.LENGTH):
        environment.step(np.zeros((2, 1), np.float32))
    seeds = [copy.unwrapped.seeds for copy in environment._environments]
    assert seeds == [[7, None, None], [8, None, None]]


def test_nested_observations_keep_their_structure_in_float32():
    environment = GymnasiumEnvironment("tests.toy:Nested-v0", num_environments=2)
    observation = environment.reset(seed=0)
    assert environment.spec.observation["a"]["c"].shape == (1, 1)
    assert observation["a"]["c"].shape == (2, 1, 1)
    assert observation["a"]["c"].dtype == np.float32


def test_the_time_limit_of_pendulum_truncates_once():
    environment = GymnasiumEnvironment("Pendulum-v1")
    environment.reset(seed=0)
    ends = [environment.step(np.zeros((1, 1), np.float32)).truncated[0] for _ in range(400)]
    assert np.flatnonzero(ends).tolist() == [199, 399]
    assert environment.spec.action_high == gymnasium.make("Pendulum-v1").action_space.high


@pytest.mark.parametrize(
    ("environment_id", "words"),
    [
        ("NoSuchTask-v0", "'NoSuchTask-v0' cannot be made by Gymnasium"),
        ("no_such_module:Task-v0", "No module named 'no_such_module'"),
        ("tests.toy:Discrete-v0", "needs continuous actions"),
        ("tests.toy:Unbounded-v0", "unbounded action space"),
        ("tests.toy:Pixels-v0", "must be a float Box, or a Dict of them"),
    ],
)
def test_unusable_environments_raise_one_sentence(environment_id, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        GymnasiumEnvironment(environment_id)
    assert environment_id in str(caught.value)
    assert "\n" not in str(caught.value)


class Spoiled(toy.Counter):
    """A `Counter` that does one thing as users' tasks do it."""

    def __init__(self, spoil, **arguments):
        super().__init__(**arguments)
        self._spoil = spoil
        self._buffer = np.zeros(2)

    def step(self, action):
        if self._spoil == "connection":
            raise ConnectionResetError("robot is gone")
        observation, reward, terminated, truncated, info = super().step(action)
        if self._spoil == "arrays":
            return (
                observation,
                np.array([reward]),
                np.array(terminated),
                np.array([truncated]),
                info,
            )
        if self._spoil == "two rewards":
            return observation, np.array([reward, reward]), terminated, truncated, info
        return observation, reward, terminated, truncated, info

    def _observation(self):
        observation = super()._observation()
        if self._spoil != "buffer":
            return observation
        self._buffer[:] = observation
        return self._buffer


class WithoutRenderMode(toy.Counter):
    def __init__(self):
        super().__init__()


for _spoil in ("buffer", "arrays", "two rewards", "connection"):
    gymnasium.register(
        f"Spoiled-{_spoil.replace(' ', '-')}-v0",
        entry_point=Spoiled,
        kwargs={"spoil": _spoil},
        disable_env_checker=True,
    )
gymnasium.register("WithoutRenderMode-v0", entry_point=WithoutRenderMode)


def test_a_reused_buffer_does_not_change_stored_observations():
    environment = GymnasiumEnvironment("Spoiled-buffer-v0", num_environments=2)
    first = environment.reset(seed=0)
    for _ in range(toy.LENGTH):
        step = environment.step(np.zeros((2, 1), np.float32))
    np.testing.assert_array_equal(first, [[1, 0]] * 2)
    np.testing.assert_array_equal(step.successor, [[1, toy.LENGTH]] * 2)
    np.testing.assert_array_equal(step.observation, [[2, 0]] * 2)


def test_arrays_with_one_number_are_rewards_and_flags():
    environment = GymnasiumEnvironment("Spoiled-arrays-v0")
    environment.reset(seed=0)
    for _ in range(toy.LENGTH):
        step = environment.step(np.ones((1, 1), np.float32))
    np.testing.assert_array_equal(step.reward, [0.5])
    np.testing.assert_array_equal(step.terminated, [True])
    np.testing.assert_array_equal(step.truncated, [False])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("two-rewards", r"returned array\(\[0.5, 0.5\]\) as reward, where one number is needed"),
        ("connection", r"raised ConnectionResetError in step\(\) \(robot is gone\)"),
    ],
)
def test_an_error_of_the_task_is_one_sentence(spoil, message):
    environment = GymnasiumEnvironment(f"Spoiled-{spoil}-v0")
    environment.reset(seed=0)
    with pytest.raises(RunError, match=message):
        environment.step(np.ones((1, 1), np.float32))


def test_a_task_without_render_mode_is_made():
    environment = GymnasiumEnvironment("WithoutRenderMode-v0")
    np.testing.assert_array_equal(environment.reset(seed=0), [[1, 0]])
