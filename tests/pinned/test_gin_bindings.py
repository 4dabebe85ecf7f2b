"""Bindings that are removed where their user is replaced."""

import gin
import pytest
from gin import config

from sac_tf.pinned.gin_bindings import forget_settings_of_replaced


@gin.configurable
def toy_lamp(color="white", brightness=1.0):
    return color, brightness


@gin.configurable
def toy_fade(start=1.0, steps=10):
    return start / steps


@gin.configurable
def toy_count(first=1):
    return first


@gin.configurable
def toy_shade(fabric="linen"):
    return fabric


@gin.configurable
def toy_room(shade=toy_shade):
    return shade()


def _left(before, within):
    """Returns {"scope/name.parameter"} that is bound after `within` follows `before`."""
    gin.parse_config("\n".join(before))
    with forget_settings_of_replaced():
        gin.parse_config("\n".join(within))
    return {
        f"{scope}/{selector.rpartition('.')[2]}.{parameter}".removeprefix("/")
        for (scope, selector), bound in config._CONFIG.items()
        for parameter in bound
    }


FADE = [
    "toy_lamp.brightness = @toy_fade()",
    "toy_fade.start = 2.0",
    "desk/toy_fade.steps = 5",
]


def test_settings_of_a_replaced_value_are_removed():
    assert _left(FADE, ["toy_lamp.brightness = 0.5"]) == {"toy_lamp.brightness"}
    assert toy_lamp() == ("white", 0.5)


@pytest.mark.parametrize(
    "within",
    [
        [],
        ["toy_lamp.color = 'red'"],
        ["desk/toy_lamp.brightness = 0.5"],
        ["toy_lamp.brightness = 0.5", "toy_lamp.color = @toy_fade"],
    ],
)
def test_settings_with_a_user_stay(within):
    names = {line.partition(" ")[0] for line in FADE + within}
    assert _left(FADE, within) == names


def test_settings_that_never_had_a_user_stay():
    # They are refused later, as misspelled names have to be.
    before = ["toy_fade.start = 2.0", "toy_lamp.brightness = 1.5"]
    assert _left(before, ["toy_lamp.brightness = 0.5"]) == {"toy_fade.start", "toy_lamp.brightness"}


def test_settings_given_with_the_replacement_stay():
    within = ["toy_lamp.brightness = 0.5", "toy_fade.steps = 7"]
    assert _left(FADE, within) == {"toy_lamp.brightness", "toy_fade.steps"}


def test_settings_of_a_default_stay():
    before = ["toy_lamp.color = @toy_shade()", "toy_shade.fabric = 'silk'"]
    assert _left(before, ["toy_lamp.color = 'red'"]) == {"toy_lamp.color", "toy_shade.fabric"}
    assert toy_room() == "silk"


def test_what_the_removed_referred_to_goes_too():
    before = [
        "START = 3.0",
        "toy_lamp.brightness = @toy_fade()",
        "toy_fade.start = %START",
        "toy_fade.steps = @toy_count()",
        "toy_count.first = 5",
    ]
    assert _left(before, ["toy_lamp.brightness = 0.5"]) == {"toy_lamp.brightness"}
