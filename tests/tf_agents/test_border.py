"""What environments return or raise at the border to TF-Agents: copies, checks, one sentence."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from tf_agents.environments import tf_py_environment
from tf_agents.utils import common

from sac_tf.errors import ConfigurationError, RunError
from sac_tf.tf_agents import SacAgent, suite_gymnasium
from tests.tasks import Plain

ACTION = np.zeros(1, np.float32)


def made(observation=None, action=None, see=None, reward=None, reset=None, step=None):
    """Returns `Plain` with other spaces, or with what these functions make of its values."""

    class Task(Plain):
        observation_space = observation or Plain.observation_space
        action_space = action or Plain.action_space

        def _observation(self):
            seen = super()._observation()
            return see(seen) if see else seen

        def step(self, given):
            x, r, *rest = super().step(np.ravel(given))
            result = (x, reward(r) if reward else r, *rest)
            return step(result) if step else result

    if reset is not None:
        Task.reset = reset
    return Task()


def wrapped(**changes):
    return suite_gymnasium.GymnasiumWrapper(made(**changes))


class ReusedBuffer(Plain):
    """Writes into the array that it returned before; counts up from 100 x episode."""

    observation_space = spaces.Box(-1e6, 1e6, (1,), np.float32)

    def __init__(self):
        self._buffer = np.zeros(1, np.float32)
        self._episode = 0
        self._info = {"step": 0}

    def reset(self, *, seed=None, options=None):
        self._episode += 1
        self._buffer[0] = 100 * self._episode
        return self._buffer, self._info

    def step(self, action):
        self._buffer += 1
        self._info["step"] += 1
        return self._buffer, 0.0, False, False, self._info


def test_observations_and_infos_are_copies():
    environment = suite_gymnasium.GymnasiumWrapper(
        gymnasium.wrappers.TimeLimit(ReusedBuffer(), max_episode_steps=3)
    )
    steps = [environment.reset()]
    infos = [environment.get_info()]
    for _ in range(5):
        steps.append(environment.step(ACTION))
        infos.append(environment.get_info())
    assert [float(step.observation[0]) for step in steps] == [100, 101, 102, 103, 200, 201]
    assert [info["step"] for info in infos] == [0, 1, 2, 3, 3, 4]


@pytest.mark.parametrize("reward", [lambda r: np.array([r]), np.array, lambda r: [[r]], np.float64])
def test_a_reward_with_one_number_is_that_number(reward):
    environment = wrapped(reward=reward)
    environment.reset()
    step = environment.step(ACTION)
    assert step.reward.shape == () and step.reward.dtype == np.float32
    assert step.reward == -abs(step.observation[0])


def test_lists_are_taken():
    environment = wrapped(see=lambda x: x.tolist())
    assert environment.reset().observation.dtype == np.float32


_NESTED = {"pos": spaces.Box(-10, 10, (3,)), "goal": spaces.Box(-10, 10, (3,))}
_TUPLE = spaces.Tuple([spaces.Box(-10, 10, (3,))] * 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"see": lambda x: np.append(x, 1)}, "observation with the shape [4]; its .* says [3]"),
        ({"see": lambda x: x[:, None]}, "observation with the shape [3, 1]; its .* says [3]"),
        ({"see": lambda x: "near"}, "'near' as observation, where numbers of the shape [3] are"),
        ({"see": lambda x: [[1, 2], [3]]}, "as observation, where numbers of the shape [3]"),
        (
            {"observation": spaces.Dict(_NESTED), "see": lambda x: {"pos": x}},
            "an observation without 'goal', which its observation_space has",
        ),
        (
            {
                "observation": spaces.Dict(_NESTED),
                "see": lambda x: {"pos": x, "goal": x, "debug": x},
            },
            "an observation with 'debug', which its observation_space does not have",
        ),
        (
            {"observation": spaces.Dict(_NESTED), "see": lambda x: {"pos": x, "goal": x[:2]}},
            "goal with the shape [2]; its observation_space says [3]",
        ),
        (
            {"observation": _TUPLE, "see": lambda x: (x,)},
            "an observation without '1', which its observation_space has",
        ),
        ({"observation": _TUPLE, "see": lambda x: (x, x[:1])}, "1 with the shape [1]"),
        (
            {"reset": lambda self: None},
            "Task raised TypeError in reset() (.* it is reset(self, *, seed=None, options=None).",
        ),
        (
            {"reset": lambda self, seed=None: np.zeros(3)},
            "Task returned ndarray from reset(), not (observation, info).",
        ),
        ({"reset": lambda self, seed: 1 / 0}, "raised ZeroDivisionError in reset() (div"),
    ],
)
def test_another_first_observation_is_one_sentence(changes, words):
    with pytest.raises(RunError) as caught:
        wrapped(**changes).reset()
    assert_words(caught, words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reward": lambda r: None}, "Task returned None as reward, where one number is needed."),
        ({"reward": lambda r: [r, r]}, "as reward, where one number is needed."),
        ({"step": lambda values: values[:4]}, "4 values from step(), not (observation, reward,"),
        (
            {"step": lambda values: 1 / 0},
            "Task raised ZeroDivisionError in step() (division by zero",
        ),
        ({"step": lambda v: (v[0][:2], *v[1:])}, "the shape [2]; its observation_space says [3]"),
        ({"step": lambda v: (*v[:2], "no", *v[3:])}, "'no' as terminated, where one number is"),
    ],
)
def test_another_step_is_one_sentence(changes, words):
    environment = wrapped(**changes)
    environment.reset()
    with pytest.raises(RunError) as caught:
        environment.step(ACTION)
    assert_words(caught, words)


def assert_words(caught, words):
    message = str(caught.value)
    start, _, end = words.partition(".*")
    assert start in message and end in message and "\n" not in message


class NeedsModelPath(Plain):
    def __init__(self, model_path):
        super().__init__()


class OldGym(Plain):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


@pytest.fixture
def registered():
    for task in (NeedsModelPath, OldGym):
        gymnasium.register(f"{task.__name__}-v0", task)
    yield
    for task in (NeedsModelPath, OldGym):
        del gymnasium.registry[f"{task.__name__}-v0"]


@pytest.mark.usefixtures("registered")
def test_tasks_that_cannot_be_made_or_reset_are_one_sentence():
    with pytest.raises(ConfigurationError, match=r"TypeError: .*model_path.* in gym_kwargs\."):
        suite_gymnasium.load("NeedsModelPath-v0")
    made = suite_gymnasium.load("NeedsModelPath-v0", gym_kwargs={"model_path": "robot.xml"})
    assert made.reset().is_first()
    with pytest.raises(RunError, match=r"^OldGym-v0 returned ndarray from reset\(\), not"):
        suite_gymnasium.load("OldGym-v0").reset()


LARGEST = np.finfo(np.float32).max


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-np.inf, np.inf, (1,)),
        spaces.Box(np.float32([0.0]), np.float32([np.inf])),
        spaces.Box(-LARGEST, LARGEST, (1,)),
        spaces.Box(np.float32([0.0]), np.float32([LARGEST])),
        spaces.Box(-np.inf, np.inf, (1, 2), np.float64),
    ],
)
def test_actions_without_bounds_are_refused_with_a_remedy(space):
    """The remedy of the message works."""
    environment = suite_gymnasium.GymnasiumWrapper(made(action=space))
    arguments = environment.time_step_spec(), environment.action_spec()
    with pytest.raises(ConfigurationError, match="must have finite bounds") as caught:
        SacAgent(*arguments)
    wrapper = str(caught.value).partition("gym_env_wrappers=[")[2].partition("])")[0]
    assert f"gymnasium.spaces.Box(-1, 1, {space.shape})" in wrapper
    bounded = eval(wrapper, {"gymnasium": gymnasium})(made(action=space))
    environment = tf_py_environment.TFPyEnvironment(suite_gymnasium.GymnasiumWrapper(bounded))
    agent = SacAgent(environment.time_step_spec(), environment.action_spec())
    act = common.function(agent.collect_policy.action)
    step = environment.step(act(environment.reset()).action)
    assert step.reward.shape == (1,)
