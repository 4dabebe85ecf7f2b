"""Spaces: how each kind is represented, and what is refused with which remedy."""

import numpy as np
import pytest

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError
from tests import spaces


def _make(name, **settings):
    return EnvironmentFactory(f"tests.spaces:{name}-v0", **settings).make()


@pytest.mark.parametrize("name", spaces.ACCEPTED)
def test_an_episode_of_every_accepted_space(name):
    """The task asserts that its space contains each action."""
    environment = _make(name)
    observation = environment.reset(seed=0)
    spec = environment.spec
    for _ in range(spaces.LENGTH):
        step = environment.step(np.ones((1, spec.action_dimensions), np.float32))
        _assert_fits(observation, spec.observation)
        observation = step.observation
    assert step.truncated[0]


def _assert_fits(observation, spec):
    if isinstance(spec, dict):
        assert observation.keys() == spec.keys()
        for key in spec:
            _assert_fits(observation[key], spec[key])
    elif isinstance(spec, tuple):
        for part, sub in zip(observation, spec, strict=True):
            _assert_fits(part, sub)
    else:
        assert observation.shape == (1, *spec.shape)
        assert observation.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("Category", [-1.0, 0, 0], [0, 1, 0, 0]),  # categories -1, 0, 1, 2; observes 0
        ("Category", [1.0, 0, 0], [0, 0, 1, 0]),
        ("MultiDiscrete", [1.0, -1, 0], [0, 1, 1, 0, 0]),
        ("MultiDiscrete", [-1.0, 1, 0], [1, 0, 0, 1, 0]),
        ("MultiBinary", [1.0, -1, 1], [1, 0, 1]),
        ("BooleanBox", [1.0, -1, 1], [1, 0, 1]),
        ("Byte", [3.7, -2, 0], [3, 2, 0]),
        ("Integer", [3.7, -2.2, 0], [3, -2, 0]),
    ],
)
def test_the_representation_of_categories_and_integers(name, x, expected):
    environment = _make(name)
    unwrapped = environment._environments[0].unwrapped
    observation = environment._borders[0]._reader.read(unwrapped.see(np.float32(x)))
    np.testing.assert_array_equal(observation, np.float32(expected))


def test_leaves_keep_the_order_of_flattened_nests():
    spec = _make("DictOfAll").spec
    paths = [leaf.path for leaf in spec.observation_leaves]
    assert paths == [("gripper",), ("inner", "pair", 0), ("inner", "pair", 1), ("x",)]
    names = [leaf.name for leaf in spec.observation_leaves]
    assert names == ["gripper", "inner_pair_0", "inner_pair_1", "x"]
    assert [leaf.encoded_shape for leaf in spec.observation_leaves] == [(2,), (3,), (2,), (3,)]


def test_actions_are_split_over_the_parts_of_the_action():
    environment = _make("TupleAction")
    (action,) = environment._writer.write(np.float32([[1.0, -1.0, 0.0]]))
    np.testing.assert_array_equal(action[0], [1, -1])
    assert action[1] == 2.5 and action[1].shape == ()
    nested = _make("DictAction")
    (action,) = nested._writer.write(np.float32([[1.0, 0.5, 0.0, -1.0]]))
    np.testing.assert_array_equal(action["arm"]["1 joint"], [1, 0.5])
    np.testing.assert_array_equal(action["base"], [0, -1])


def test_actions_in_task_units_keep_their_values():
    environment = EnvironmentFactory("tests.spaces:MatrixAction-v0").make(2, in_task_units=True)
    actions = np.float32([[[0, 1, 2], [2, 1, 0]], [[-1, -1, -1], [9, 9, 9]]])
    first, second = environment._writer.split(actions)
    np.testing.assert_array_equal(first, actions[0])
    np.testing.assert_array_equal(second, [[-1, -1, -1], [2, 2, 2]])


@pytest.mark.parametrize(
    ("name", "message", "wrapper"),
    [
        ("Text", r"Text.* at /, which is not an array", "tests.spaces:numbers"),
        ("Sequence", "Sequence.*TransformObservation", "tests.spaces:numbers"),
        ("ChannelsFirst", r"at / of the shape \[3, 8, 8\], .*moves", "tests.spaces:channels_last"),
        ("Empty", "the empty observation space", None),
        ("DiscreteAction", "needs continuous actions", None),
        ("IntegerAction", "needs continuous actions", None),
        ("MixedAction", r"Discrete\(2\) at gripper; .*needs continuous", None),
        ("UnboundedAction", "unbounded action space.*TransformAction", "tests.spaces:bounded"),
        ("HalfOpenAction", "unbounded action space", "tests.spaces:bounded"),
        ("LargestAction", "unbounded action space", "tests.spaces:bounded"),
        ("Largest64Action", "unbounded action space", "tests.spaces:bounded"),
    ],
)
def test_a_refused_space_names_a_remedy_that_works(name, message, wrapper):
    with pytest.raises(ConfigurationError, match=message) as caught:
        _make(name)
    assert f"train.environment='tests.spaces:{name}-v0'" in str(caught.value)
    assert "\n" not in str(caught.value)
    if wrapper is not None:
        environment = _make(name, wrappers=[wrapper])
        environment.reset(seed=0)
        environment.step(np.zeros((1, environment.spec.action_dimensions), np.float32))


@pytest.mark.parametrize("name", [*spaces.ACCEPTED, "Everything"])
def test_the_spec_survives_json(name):
    spec = _make(name).spec
    assert type(spec).from_json(spec.as_json()) == spec
