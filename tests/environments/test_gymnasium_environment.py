import gymnasium
import numpy as np
import pytest

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError, RunError
from tests import spaces, tasks, toy


def test_actions_are_scaled_to_the_bounds():
    environment = EnvironmentFactory("tests.toy:Counter-v0").make(3)
    environment.reset(seed=0)
    step = environment.step(np.array([[-1.0], [0.0], [1.0]], np.float32))
    np.testing.assert_allclose(step.reward, [-2.0, -0.75, 0.5])
    assert step.reward.dtype == np.float32
    np.testing.assert_allclose(environment.spec.action_low, [-2.0])
    np.testing.assert_allclose(environment.spec.action_high, [0.5])


def test_rounded_actions_stay_within_uneven_bounds():
    environment = EnvironmentFactory("tests.toy:Uneven-v0").make(2)
    environment.reset(seed=0)
    # The toy environment asserts that its space contains the action.
    step = environment.step(np.array([[-1.0], [1.0]], np.float32))
    np.testing.assert_array_equal(step.reward, np.float32([1.304, 4.1452427]))


def test_successor_and_observation_differ_at_an_episode_end():
    environment = EnvironmentFactory("tests.toy:Counter-v0").make()
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
    environment = EnvironmentFactory("tests.toy:Counter-v0").make(2)
    environment.reset(seed=0)
    infos = [environment.step(np.zeros((2, 1), np.float32)).info for _ in range(toy.LENGTH)]
    assert infos[-2:] == [({"is_success": False},) * 2, ({"is_success": True},) * 2]


def test_the_time_limit_is_that_of_the_task():
    assert EnvironmentFactory("Pendulum-v1").make().max_episode_steps == 200
    assert EnvironmentFactory("tests.toy:Counter-v0").make().max_episode_steps is None


def test_each_environment_is_seeded_once_with_its_own_seed():
    environment = EnvironmentFactory("tests.toy:Counter-v0").make(2)
    environment.reset(seed=7)
    for _ in range(2 * toy.LENGTH):
        environment.step(np.zeros((2, 1), np.float32))
    seeds = [copy.unwrapped.seeds for copy in environment._environments]
    assert seeds == [[7, None, None], [8, None, None]]


def test_nested_observations_keep_their_structure_in_float32():
    environment = EnvironmentFactory("tests.toy:Nested-v0").make(2)
    observation = environment.reset(seed=0)
    assert environment.spec.observation["a"]["c"].shape == (1, 1)
    assert observation["a"]["c"].shape == (2, 1, 1)
    assert observation["a"]["c"].dtype == np.float32


def test_the_time_limit_of_pendulum_truncates_once():
    environment = EnvironmentFactory("Pendulum-v1").make()
    environment.reset(seed=0)
    ends = [environment.step(np.zeros((1, 1), np.float32)).truncated[0] for _ in range(400)]
    assert np.flatnonzero(ends).tolist() == [199, 399]
    assert environment.spec.action_high == gymnasium.make("Pendulum-v1").action_space.high


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


for _spoil in ("buffer", "arrays", "two rewards", "connection"):
    gymnasium.register(
        f"Spoiled-{_spoil.replace(' ', '-')}-v0",
        entry_point=Spoiled,
        kwargs={"spoil": _spoil},
        disable_env_checker=True,
    )


def test_a_reused_buffer_does_not_change_stored_observations():
    environment = EnvironmentFactory("Spoiled-buffer-v0").make(2)
    first = environment.reset(seed=0)
    for _ in range(toy.LENGTH):
        step = environment.step(np.zeros((2, 1), np.float32))
    np.testing.assert_array_equal(first, [[1, 0]] * 2)
    np.testing.assert_array_equal(step.successor, [[1, toy.LENGTH]] * 2)
    np.testing.assert_array_equal(step.observation, [[2, 0]] * 2)


def test_a_reused_float32_buffer_is_copied_at_a_time_limit():
    environment = EnvironmentFactory("tests.tasks:ReusedBuffer-v0").make()
    seen = [environment.reset(seed=0)]
    for _ in range(5):
        step = environment.step(np.zeros((1, 1), np.float32))
        seen.append(step.observation)
    assert step.truncated[0] and step.successor == 105
    assert [float(one[0, 0]) for one in seen] == [100, 101, 102, 103, 104, 200]


def test_arrays_with_one_number_are_rewards_and_flags():
    environment = EnvironmentFactory("Spoiled-arrays-v0").make()
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
    environment = EnvironmentFactory(f"Spoiled-{spoil}-v0").make()
    environment.reset(seed=0)
    with pytest.raises(RunError, match=message):
        environment.step(np.ones((1, 1), np.float32))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Longer", r"returned observation with the shape \[4\]; its observation_space says \[3\]"),
        ("Column", r"observation with the shape \[3, 1\]"),
        ("Words", r"returned 'far away' as observation, where numbers of the shape \[3\]"),
        ("ExtraKey", "returned an observation with 'debug', which its observation_space does not"),
        ("OtherKey", "returned an observation without 'goal', which its observation_space has"),
        ("ExtraPart", "returned an observation with '1', which"),
        ("ArrayForDict", "returned an observation without 'pos'"),
        ("OutOfCategories", r"observation = 2, outside of its space: \[2\] categories from \[0\]"),
        (
            "ResetWithoutSeed",
            r"raised TypeError in reset.*reset\(self, \*, seed=None, options=None",
        ),
        ("OldReset", r"returned ndarray from reset\(\), not \(observation, info\)"),
        ("OldStep", r"raised ValueError in step.*step \(observation, reward, terminated, trunc"),
        ("Changing", r"observation with the shape \[2\]; its observation_space says \[3\]"),
        ("NoInfo", "returned None as info, where a dict is needed"),
        ("RewardNone", "returned None as reward, where one number is needed"),
        ("RewardPair", r"returned array\(\[.*\) as reward, where one number is needed"),
    ],
)
def test_what_does_not_fit_the_spaces_is_one_sentence(name, message):
    environment = EnvironmentFactory(f"tests.spaces:{name}-v0").make()
    with pytest.raises(RunError, match=message) as caught:
        environment.reset(seed=0)
        for _ in range(3):
            environment.step(np.zeros((1, 1), np.float32))
    assert f"tests.spaces:{name}-v0" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["RewardVector", "RewardZeroD", "RewardInteger", "Lists"])
def test_numbers_in_any_container_are_accepted(name):
    plain = EnvironmentFactory("tests.spaces:Base-v0").make()
    environment = EnvironmentFactory(f"tests.spaces:{name}-v0").make()
    np.testing.assert_array_equal(environment.reset(seed=3), plain.reset(seed=3))
    for action in ([[1.0]], [[-1.0]]):
        step = environment.step(np.float32(action))
        expected = plain.step(np.float32(action))
        np.testing.assert_array_equal(step.successor, expected.successor)
        reward = int(expected.reward[0]) if name == "RewardInteger" else expected.reward[0]
        assert step.reward == reward and step.reward.shape == (1,)


def test_an_environment_that_raises_in_close_is_closed_once(caplog):
    before = spaces.RaisesInClose.closed
    environment = EnvironmentFactory("tests.spaces:RaisesInClose-v0").make(2)
    environment.close()
    environment.close()
    assert spaces.RaisesInClose.closed == before + 2
    assert "raised AttributeError in close() ('NoneType' object has no" in caplog.text


def test_a_failed_reset_is_raised_by_the_next_step(monkeypatch):
    """The end of the episode is not lost; a later reset may work."""
    monkeypatch.setattr(tasks.ResetFails, "count", -1)
    environment = EnvironmentFactory("tests.tasks:ResetFails-v0").make(2)
    environment.reset(seed=0)
    for _ in range(40):
        step = environment.step(np.zeros((2, 1), np.float32))
    assert step.truncated.tolist() == [True, True]
    with pytest.raises(RunError, match=r"raised ConnectionResetError in reset\(\) \(simulator is"):
        environment.step(np.zeros((2, 1), np.float32))
    monkeypatch.setattr(tasks.ResetFails, "count", -9)
    environment.reset(seed=0)
    environment.step(np.zeros((2, 1), np.float32))


def test_environments_are_closed_if_their_spaces_are_refused(monkeypatch):
    closed = []
    monkeypatch.setattr(toy.Discrete, "close", lambda self: closed.append(self), raising=False)
    with pytest.raises(ConfigurationError, match="needs continuous actions"):
        EnvironmentFactory("tests.toy:Discrete-v0").make(2)
    assert len(closed) == 2
