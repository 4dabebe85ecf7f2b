"""Settings that are found in gin's registry without calling anything."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import gin
import pytest

from sac_tf.agents.update import make_update
from sac_tf.errors import ConfigurationError
from sac_tf.pinned.gin_registry import InScope, settings_of
from sac_tf.replay.tables import make_tables


def _refuse_call():
    pytest.fail("settings_of called a configurable")


@gin.configurable
def toy_wheel(size=1, material="rubber"):
    _refuse_call()


@gin.configurable
def toy_motor(power=1.5, wheel=toy_wheel):
    _refuse_call()


@gin.configurable
def toy_sail(area, wind=2):
    _refuse_call()


rear_wheel = InScope("rear", toy_wheel)


@gin.configurable
class ToyCar:
    def __init__(self, doors=4, motor=toy_motor, rear=rear_wheel, extras=()):
        _refuse_call()


@gin.configurable("toy_trip")
@dataclasses.dataclass(frozen=True)
class ToyTrip:
    car: Callable[..., Any] = ToyCar
    days: int = 10


@gin.configurable
def toy_scale(value=1):
    return 10 * value


WHEEL = {"toy_wheel.size": "1", "toy_wheel.material": "'rubber'"}
REAR = {"rear/toy_wheel.size": "1", "rear/toy_wheel.material": "'rubber'"}
MOTOR = {"toy_motor.power": "1.5", "toy_motor.wheel": "@toy_wheel"}
CAR = {
    "ToyCar.doors": "4",
    "ToyCar.motor": "@toy_motor",
    "ToyCar.rear": "@rear/toy_wheel",
    "ToyCar.extras": "()",
}


def _settings(*bindings, roots=(ToyCar,), ignored=None):
    gin.parse_config("\n".join(bindings))
    return settings_of(roots, ignored or {})


def test_defaults_are_settings():
    settings = _settings()
    assert settings.values == {**WHEEL, **REAR, **MOTOR, **CAR}
    assert settings.modules == {__name__}
    assert settings.unused == []


def test_bound_values_replace_defaults():
    settings = _settings("ToyCar.doors = 2", "toy_wheel.material = 'steel'")
    assert settings.values["ToyCar.doors"] == "2"
    assert settings.values["toy_wheel.material"] == "'steel'"
    assert settings.values["rear/toy_wheel.material"] == "'steel'"
    assert settings.unused == []


def test_a_reference_replaces_what_is_reached():
    settings = _settings("ToyCar.motor = @toy_sail", "toy_sail.area = 3")
    assert settings.values["ToyCar.motor"] == "@toy_sail"
    assert settings.values["toy_sail.area"] == "3"
    assert settings.values["toy_sail.wind"] == "2"
    assert not any(name.startswith("toy_motor") for name in settings.values)


def test_bindings_of_what_is_not_reached_are_unused():
    settings = _settings("ToyCar.motor = @toy_sail", "toy_motor.power = 3", "toy_wheel.size = 2")
    assert settings.unused == ["toy_motor.power"]  # the rear wheel obeys the other one


def test_a_default_in_a_scope_obeys_its_scope_first():
    settings = _settings("rear/toy_wheel.size = 7", "toy_wheel.size = 3")
    assert settings.values["rear/toy_wheel.size"] == "7"
    assert settings.values["toy_wheel.size"] == "3"
    assert settings.unused == []


def test_a_reference_in_a_scope_is_named_with_it():
    settings = _settings("toy_motor.wheel = @front/toy_wheel", "front/toy_wheel.size = 2")
    assert settings.values["toy_motor.wheel"] == "@front/toy_wheel"
    assert settings.values["front/toy_wheel.size"] == "2"
    assert "toy_wheel.size" not in settings.values


def test_a_scope_holds_in_what_is_called_there():
    settings = _settings(
        "ToyCar.motor = @sport/toy_motor", "sport/toy_wheel.size = 5", "sport/toy_motor.power = 9"
    )
    assert settings.values["sport/toy_motor.power"] == "9"
    assert settings.values["sport/toy_wheel.size"] == "5"
    assert settings.unused == []


def test_nested_scopes_obey_the_outer_ones():
    settings = _settings(
        "ToyCar.motor = @sport/wet/toy_motor", "sport/toy_motor.power = 9", "toy_wheel.size = 5"
    )
    assert settings.values["sport/wet/toy_motor.power"] == "9"
    assert settings.values["sport/wet/toy_wheel.size"] == "5"
    assert settings.unused == []


def test_in_scope_calls_in_its_scope():
    gin.parse_config("high/toy_scale.value = 3\ntoy_scale.value = 2")
    assert InScope("high", toy_scale)() == 30
    assert InScope("low", toy_scale)() == 20
    assert InScope("high", toy_scale)(value=4) == 40


def test_macros_are_replaced_by_their_values():
    settings = _settings(
        "SIZE = 6", "WHEEL = @front/toy_wheel", "toy_wheel.size = %SIZE", "toy_motor.wheel = %WHEEL"
    )
    assert settings.values["toy_motor.wheel"] == "@front/toy_wheel"
    assert settings.values["front/toy_wheel.size"] == "6"
    assert settings.unused == []


def test_macros_without_effect_are_unused():
    settings = _settings("SIZE = 6", "POWER = 2", "toy_wheel.size = %SIZE", "toy_sail.wind = 3")
    assert settings.unused == ["POWER", "toy_sail.wind"]


def test_a_macro_in_a_macro_is_used():
    settings = _settings("SMALL = 6", "SIZE = (%SMALL, 7)", "ToyCar.extras = %SIZE")
    assert settings.values["ToyCar.extras"] == "(6, 7)"
    assert settings.unused == []


def test_a_macro_without_a_value_raises():
    with pytest.raises(ConfigurationError, match="^The macro SIZE has no value; bind SIZE = "):
        _settings("toy_wheel.size = %SIZE")


def test_references_in_containers_are_followed():
    settings = _settings(
        "ToyCar.extras = (@toy_sail, [@front/toy_wheel, 1], {'a': @back/toy_wheel})",
        "toy_sail.area = 3",
        "front/toy_wheel.size = 2",
        "back/toy_wheel.size = 4",
    )
    assert settings.values["toy_sail.area"] == "3"
    assert settings.values["front/toy_wheel.size"] == "2"
    assert settings.values["back/toy_wheel.size"] == "4"
    extras = settings.values["ToyCar.extras"]
    assert extras == "(@toy_sail, [@front/toy_wheel, 1], {'a': @back/toy_wheel})"
    assert settings.unused == []


@pytest.mark.parametrize("text", ["()", "(1,)", "[]", "[1, 2.5]", "((1, 'a'), None)"])
def test_containers_are_written_as_gin_reads_them(text):
    assert _settings(f"ToyCar.extras = {text}").values["ToyCar.extras"] == text


def test_evaluated_references_are_not_called():
    settings = _settings("ToyCar.doors = @toy_sail()", "toy_sail.area = 1")
    assert settings.values["ToyCar.doors"] == "@toy_sail()"
    assert settings.values["toy_sail.area"] == "1"


def test_unused_bindings_are_named_with_their_scopes():
    settings = _settings("front/toy_wheel.size = 2", "rear/toy_sail.wind = 5", "toy_sail.wind = 7")
    assert settings.unused == ["front/toy_wheel.size", "rear/toy_sail.wind", "toy_sail.wind"]


def test_a_default_that_is_repeated_is_not_unused():
    settings = _settings(
        "toy_sail.wind = 2",
        "front/toy_wheel.size = 1",
        "ToyCar.motor = @toy_sail",
        "toy_motor.wheel = @toy_wheel",
    )
    assert settings.unused == []


def test_ignored_parameters_are_not_followed():
    ignored = {"ToyCar": {"motor"}}
    settings = _settings("ToyCar.motor = @toy_motor", "toy_motor.power = 3", ignored=ignored)
    assert "ToyCar.motor" not in settings.values and "toy_motor.power" not in settings.values
    assert settings.unused == ["toy_motor.power"]


def test_a_binding_of_an_ignored_parameter_is_unused():
    assert _settings("ToyCar.doors = 3", ignored={"ToyCar": {"doors"}}).unused == ["ToyCar.doors"]


def test_fields_of_a_dataclass_count():
    settings = _settings(roots=[ToyTrip(car=toy_sail, days=3)])
    assert settings.values == {
        "toy_trip.car": "@toy_sail",
        "toy_trip.days": "3",
        "toy_sail.wind": "2",
    }


def test_fields_that_gin_filled_keep_their_reference():
    gin.parse_config("toy_trip.car = @blue/ToyCar\ntoy_trip.days = %DAYS\nDAYS = 4")
    settings = settings_of([ToyTrip()], {})
    assert settings.values["toy_trip.car"] == "@blue/ToyCar"
    assert settings.values["toy_trip.days"] == "4"
    assert settings.values["blue/ToyCar.doors"] == "4"
    assert settings.unused == []


def test_fields_given_in_python_win_over_bindings():
    gin.parse_config("toy_trip.car = @blue/ToyCar\ntoy_trip.days = 5")
    settings = settings_of([ToyTrip(car=toy_sail, days=3)], {})
    assert settings.values["toy_trip.car"] == "@toy_sail"
    assert settings.values["toy_trip.days"] == "3"


def test_a_field_that_gin_evaluated_is_not_evaluated_again(monkeypatch):
    gin.parse_config("toy_trip.days = @toy_scale()\ntoy_scale.value = 2")
    trip = ToyTrip()
    assert trip.days == 20
    assert settings_of([trip], {}).values["toy_trip.days"] == "@toy_scale()"


@pytest.mark.parametrize("value", [lambda: 0, functools.partial(toy_sail, area=1), object()])
def test_values_that_gin_cannot_write_are_left_out(value):
    settings = _settings(roots=[ToyTrip(car=value)])
    assert settings.values == {"toy_trip.days": "10"}
    settings = _settings(roots=[ToyTrip(car=(1, value))])
    assert settings.values == {"toy_trip.days": "10"}


def test_several_roots_share_their_settings():
    settings = _settings("toy_wheel.size = 2", roots=[toy_motor, toy_wheel, toy_sail])
    assert settings.values["toy_wheel.size"] == "2" and settings.values["toy_sail.wind"] == "2"


def test_a_root_that_gin_does_not_know_raises():
    with pytest.raises(TypeError, match="is not a gin configurable"):
        settings_of([print], {})


def test_arguments_that_the_library_passes_cannot_be_bound():
    settings = _settings("update.batch_size = 128", roots=[make_update])
    assert settings.unused == ["update.batch_size"] and "update.batch_size" not in settings.values


def test_defaults_of_reverb_are_left_out():
    assert "MinSize.min_size_to_sample" not in _settings(roots=[make_tables]).values
    settings = _settings(
        "tables.rate_limiter = @SampleToInsertRatio",
        "SampleToInsertRatio.samples_per_insert = 2.0",
        roots=[make_tables],
    )
    assert settings.values["SampleToInsertRatio.samples_per_insert"] == "2.0"
    assert settings.values["tables.rate_limiter"] == "@SampleToInsertRatio"
    assert settings.modules == {"sac_tf.replay.tables"}
    assert settings.unused == []
