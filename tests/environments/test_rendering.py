"""Images that Gymnasium's wrappers draw, and graphics libraries that are missing."""

import os

import numpy as np
import pytest

from sac_tf.environments import rendering
from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError
from tests import spaces

OSMESA = "'NoneType' object has no attribute 'glGetError'"
EGL = "Cannot initialize a EGL device display."


@pytest.fixture(autouse=True)
def variables(monkeypatch):
    """Takes DISPLAY and MUJOCO_GL away, and restores them at the end."""
    for name in ("DISPLAY", "MUJOCO_GL"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def test_an_image_is_drawn_for_each_action_that_is_held():
    factory = EnvironmentFactory(
        "Pendulum-v1",
        arguments={"render_mode": "rgb_array"},
        wrappers=[
            ("RepeatAction", {"num_repeats": 4}),
            ("AddRenderObservation", {"render_only": True}),
            ("ResizeObservation", {"shape": (32, 32)}),
        ],
        frame_stack=2,
    )
    environment = factory.make()
    leaf = environment.spec.observation
    assert (leaf.shape, leaf.dtype, factory.renderer()) == ((32, 32, 6), "uint8", None)
    first = environment.reset(seed=0)
    np.testing.assert_array_equal(first[..., :3], first[..., 3:])
    step = environment.step(np.ones((1, 1), np.float32))
    np.testing.assert_array_equal(step.successor[..., :3], first[..., :3])
    other = EnvironmentFactory("Pendulum-v1").make()
    other.reset(seed=0)
    rewards = [other.step(np.ones((1, 1), np.float32)).reward for _ in range(4)]
    np.testing.assert_allclose(step.reward, sum(rewards), rtol=1e-6)
    assert np.abs(np.diff(step.successor.astype(int).reshape(32, 32, 2, 3), axis=2)).max() > 50


@pytest.mark.parametrize(
    ("before", "after"),
    [({}, "egl"), ({"DISPLAY": ":0"}, None), ({"MUJOCO_GL": "osmesa"}, "osmesa")],
)
def test_without_a_screen_mujoco_renders_by_egl(variables, before, after):
    for name, value in before.items():
        variables.setenv(name, value)
    spaces_without = EnvironmentFactory("tests.spaces:Base-v0")
    spaces_without.make()
    assert os.environ.get("MUJOCO_GL") == before.get("MUJOCO_GL")
    spaces_without.make(render_mode="rgb_array")
    assert os.environ.get("MUJOCO_GL") == after


def _fails(error):
    def fail(environment):
        raise error

    return fail


@pytest.mark.parametrize(
    ("library", "error", "sentence"),
    [
        ("egl", ImportError(EGL), "EGL device display.). MUJOCO_GL=egl needs EGL and a driver: i"),
        ("osmesa", AttributeError(OSMESA), "'glGetError'). MUJOCO_GL=osmesa needs OSMesa: install"),
        ("glfw", RuntimeError("no OpenGL"), "Without a screen, MuJoCo needs EGL or OSMesa: set "),
    ],
)
def test_a_missing_library_is_one_sentence(variables, library, error, sentence):
    """Raised by the import of MuJoCo, or by a wrapper that draws the first image."""
    variables.setenv("MUJOCO_GL", library)
    for factory in (
        EnvironmentFactory(lambda: _fails(error)(None)),
        EnvironmentFactory(spaces.make_point, wrappers=[_fails(error)]),
    ):
        with pytest.raises(ConfigurationError) as raised:
            factory.make()
        assert sentence in str(raised.value)


def test_other_errors_have_other_remedies():
    factory = EnvironmentFactory(spaces.make_point, wrappers=[_fails(ValueError("the angle"))])
    with pytest.raises(ConfigurationError, match=r"the angle\); give a name in gymnasium.wrappers"):
        factory.make()


def test_the_renderer_is_known_after_an_image(monkeypatch):
    assert rendering.renderer() is None
    factory = EnvironmentFactory("Pendulum-v1", arguments={"render_mode": "rgb_array"})
    monkeypatch.setattr(rendering, "renderer", lambda: "llvmpipe")
    assert factory.renderer() == "llvmpipe"
    assert EnvironmentFactory("Pendulum-v1").renderer() is None
