"""The environment factory: ids, functions, arguments, time limits and wrappers."""

import functools
import json

import gymnasium
import numpy as np
import pytest

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.environments.names import name_of
from sac_tf.errors import ConfigurationError
from tests import spaces

ZERO = np.zeros((1, 1), np.float32)


def _first_step(factory, **arguments):
    environment = factory.make(**arguments)
    environment.reset(seed=0)
    return environment.step(ZERO).successor[0]


def test_an_id_a_name_and_a_function_make_the_same_task():
    expected = _first_step(EnvironmentFactory("tests.spaces:Base-v0"))
    for task in ("tests.spaces:make_point", spaces.make_point, lambda: spaces.make_point()):
        np.testing.assert_array_equal(_first_step(EnvironmentFactory(task)), expected)


def test_arguments_go_to_constructors_and_functions():
    expected = 3 * _first_step(EnvironmentFactory("tests.spaces:Base-v0"))
    for task in ("tests.spaces:NeedsArgument-v0", "tests.spaces:make_point", spaces.make_point):
        factory = EnvironmentFactory(task, arguments={"gain": 3})
        np.testing.assert_allclose(_first_step(factory), expected)


def test_evaluation_arguments_replace_those_of_training():
    factory = EnvironmentFactory(
        "tests.spaces:make_point", arguments={"gain": 2}, evaluation_arguments={"gain": 6}
    )
    training = _first_step(factory)
    np.testing.assert_allclose(_first_step(factory, is_evaluation=True), 3 * training)


@pytest.mark.parametrize("task", ["tests.spaces:Base-v0", "tests.spaces:make_point"])
def test_a_time_limit_truncates(task):
    environment = EnvironmentFactory(task, max_episode_steps=3).make()
    assert environment.max_episode_steps == 3
    environment.reset(seed=0)
    assert [bool(environment.step(ZERO).truncated[0]) for _ in range(4)] == [False] * 2 + [
        True,
        False,
    ]


def test_a_time_limit_inside_of_wrappers_is_found():
    factory = EnvironmentFactory("tests.spaces:Base-v0", wrappers=["FlattenObservation"])
    assert factory.make().max_episode_steps == spaces.LENGTH
    assert EnvironmentFactory("tests.spaces:make_point").make().max_episode_steps == spaces.LENGTH
    assert EnvironmentFactory("tests.spaces:Base").make().max_episode_steps is None
    shorter = EnvironmentFactory("tests.spaces:make_point", max_episode_steps=2).make()
    assert shorter.max_episode_steps == 2


def test_wrappers_are_applied_in_turn():
    plain = _first_step(EnvironmentFactory("tests.spaces:Base-v0"))
    wrappers = [
        ["tests.spaces:Scaled", {"gain": 2}],
        ("FrameStackObservation", {"stack_size": 2}),
        "FlattenObservation",
        functools.partial(spaces.Scaled, gain=0.5),
    ]
    factory = EnvironmentFactory("tests.spaces:Base-v0", wrappers=wrappers)
    environment = factory.make()
    assert environment.spec.observation.shape == (6,)
    environment.reset(seed=0)
    np.testing.assert_allclose(environment.step(ZERO).successor[0, 3:], plain)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"task": "NoSuchTask-v0"}, "'NoSuchTask-v0' cannot be made .* Give a registered id"),
        (
            {"task": "no_such_module:Task-v0"},
            "No module named 'no_such_module'.* Give a registered",
        ),
        ({"task": "tests.spaces:NoSuchTask"}, "Give a registered id, module:id .* module:function"),
        ({"task": "tests.spaces:NeedsArgument-v0"}, "'gain'.* environment.arguments = "),
        ({"task": "tests.spaces:MissingAsset-v0"}, r"FileNotFoundError: .*'robot.xml'"),
        ({"task": "tests.spaces:not_an_environment"}, "returned 'point', not a gymnasium.Env"),
        (
            {"task": "<__main__:make>"},
            "made by <__main__:make>, a function that cannot be imported",
        ),
        (
            {"arguments": ["gain", 3]},
            r"environment.arguments must be a dict such as .*\['gain', 3\]",
        ),
        (
            {"max_episode_steps": 0},
            "environment.max_episode_steps must be an integer of at least 1",
        ),
        (
            {"task": "tests.spaces:make_point", "max_episode_steps": spaces.LENGTH + 1},
            "is above the time limit of .* steps that tests.spaces:make_point has itself",
        ),
        ({"wrappers": "FlattenObservation"}, "environment.wrappers must be a list such as"),
        ({"wrappers": ["NoSuchWrapper"]}, "The wrapper 'NoSuchWrapper' cannot be used"),
        (
            {"wrappers": [["tests.spaces:Scaled"]]},
            r"has \['tests.spaces:Scaled'\], where a name or",
        ),
        (
            {"wrappers": [["tests.spaces:Scaled", {"gian": 2}]]},
            "unexpected keyword argument 'gian'",
        ),
        ({"wrappers": ["tests.spaces:leaves"]}, "returned .*, not a gymnasium.Env"),
    ],
)
def test_what_cannot_be_made_is_one_sentence(settings, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        EnvironmentFactory(**{"task": "tests.spaces:Base-v0", **settings}).make()
    assert "\n" not in str(caught.value).partition("\n  In call to")[0]


def test_a_task_without_render_mode_is_made_but_not_rendered(recwarn):
    factory = EnvironmentFactory("tests.spaces:NoRenderMode-v0")
    assert factory.make().num_environments == 1
    words = "cannot be made .*render_mode.* A video needs a constructor that takes render_mode"
    with pytest.raises(ConfigurationError, match=words):
        factory.make(render_mode="rgb_array")
    assert not recwarn.list


def test_numbers_of_numpy_are_written_as_numbers():
    arguments = {"gain": np.float32(3), "sizes": [np.int64(2), (np.bool_(True), None)]}
    wrappers = [("tests.spaces:Scaled", {"gain": np.float64(2)})]
    factory = EnvironmentFactory("Base-v0", arguments, arguments, wrappers=wrappers)
    written = json.loads(json.dumps(factory.as_json()))
    plain = {"gain": 3.0, "sizes": [2, {"tuple": [True, None]}]}
    assert written["arguments"] == written["evaluation_arguments"] == plain
    assert written["wrappers"] == [["tests.spaces:Scaled", {"gain": 2.0}]]
    assert EnvironmentFactory(**written).arguments["sizes"] == [2, (True, None)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"arguments": {"goal": np.zeros(2)}}, "environment.arguments['goal'] is array([0., 0.])"),
        (
            {"arguments": {"a": [{"b": max}]}},
            "environment.arguments['a'][0]['b'] is <built-in function max>",
        ),
        ({"arguments": {"weights": {0: 1.0}}}, "environment.arguments['weights'] is {0: 1.0}"),
        ({"evaluation_arguments": {"at": {1}}}, "environment.evaluation_arguments['at'] is {1}"),
        (
            {"wrappers": [("TransformReward", {"func": abs})]},
            "environment.wrappers, TransformReward:['func'] is <built-in function abs>",
        ),
    ],
)
def test_arguments_that_files_cannot_hold_are_refused(settings, words):
    with pytest.raises(ConfigurationError) as caught:
        EnvironmentFactory("tests.spaces:Base-v0", **settings)
    sentence = (
        f"{words}, which the files of a run cannot hold; set it in a function of yours, and give "
        "its name (module:function)."
    )
    assert str(caught.value).splitlines()[0] == sentence


def test_a_function_that_cannot_be_imported_has_brackets():
    assert name_of("Pendulum-v1") == "Pendulum-v1"
    assert name_of(spaces.make_point) == "tests.spaces:make_point"
    assert name_of(lambda: None).startswith("<")
    assert name_of(functools.partial(gymnasium.make, "Pendulum-v1")) == "<functools:partial>"


def test_a_factory_is_described_in_json():
    factory = EnvironmentFactory(
        spaces.make_point,
        arguments={"gain": 2},
        max_episode_steps=9,
        wrappers=[("tests.spaces:Scaled", {"gain": 3}), gymnasium.wrappers.FlattenObservation],
    )
    again = EnvironmentFactory(**factory.as_json())
    np.testing.assert_allclose(_first_step(again), _first_step(factory))
    assert again.as_json() == factory.as_json()
