import functools

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.sac.losses import alpha_loss, log_alpha_loss
from sac_tf.errors import ConfigurationError
from sac_tf.networks.temperature import Temperature, exponential, require_reachable, softplus


@pytest.mark.parametrize("parametrization", [exponential, softplus])
@pytest.mark.parametrize("alpha", [1e-4, 0.01, 1.0, 50.0])
def test_alpha_starts_at_initial_alpha(parametrization, alpha):
    temperature = Temperature(alpha, parametrization=parametrization)
    assert float(temperature.make_multiplier().alpha) == pytest.approx(alpha, rel=1e-5)


@pytest.mark.parametrize(
    ("parametrization", "loss", "gradient"),
    [
        # alpha = 2, log pi + H_target = 3; d alpha / dx is alpha for exp, 1 - exp(-alpha) for
        # softplus.
        (exponential, alpha_loss, -3 * 2.0),
        (exponential, log_alpha_loss, -3.0),
        (softplus, alpha_loss, -3 * (1 - np.exp(-2.0))),
        (softplus, log_alpha_loss, -3.0),
    ],
)
def test_gradient_of_the_parameter(parametrization, loss, gradient):
    temperature = Temperature(2.0, parametrization=parametrization)
    multiplier = temperature.make_multiplier()
    parameter = multiplier.parameter
    with tf.GradientTape() as tape:
        rows = loss(parameter, multiplier.alpha, tf.constant([4.0]), -1.0)
    assert float(tape.gradient(rows, parameter)) == pytest.approx(gradient, rel=1e-5)


def test_without_bounds_the_parameter_has_no_constraint():
    assert Temperature().make_multiplier().parameter.constraint is None


@pytest.mark.parametrize("parametrization", [exponential, softplus])
def test_one_bound_does_not_limit_the_other_side(parametrization):
    make = functools.partial(Temperature, 1.0, parametrization=parametrization)
    for settings, far_down, far_up in (
        ({"minimum": 0.5}, 0.5, np.inf),
        ({"maximum": 3.0}, 0.0, 3.0),
    ):
        temperature = make(**settings)
        multiplier = temperature.make_multiplier()
        for value, expected in ((-1e4, far_down), (1e4, far_up)):
            multiplier.parameter.assign(multiplier.parameter.constraint(tf.constant(value)))
            alpha = float(multiplier.alpha)
            assert alpha == pytest.approx(expected) or (expected == np.inf and alpha >= 1e4)


@pytest.mark.parametrize(
    ("target", "actions", "log_volume", "is_reachable"),
    [
        (0.69, 1, 0.0, True),
        (0.70, 1, 0.0, False),
        (-1.0, 1, 0.0, True),
        (4.15, 6, 0.0, True),  # 6 log 2 = 4.159
        (4.17, 6, 0.0, False),
        (2.07, 3, 0.0, True),
        (2.09, 3, 0.0, False),
        (2.09, 3, 0.1, True),
        (1.9, 3, -0.2, False),
    ],
)
def test_a_target_above_the_uniform_entropy_is_refused(target, actions, log_volume, is_reachable):
    if is_reachable:
        require_reachable(target, actions, log_volume)
        return
    largest = f"{actions * np.log(2) + log_volume:.3f}"
    with pytest.raises(ConfigurationError, match=f"target_entropy={target:g} is .*{largest};"):
        require_reachable(target, actions, log_volume)


def test_target_entropy_is_a_number_or_a_factor_of_minus_a():
    assert Temperature().entropy_target(6) == -6
    assert Temperature(target_entropy_factor=0.5).entropy_target(6) == -3
    assert Temperature(target_entropy=-2.5).entropy_target(6) == -2.5
    assert Temperature(target_entropy=0.0).entropy_target(6) == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"initial_alpha": 0.0}, "Temperature.initial_alpha must be a number above 0, got 0.0"),
        (
            {"target_entropy_factor": float("nan")},
            "Temperature.target_entropy_factor must be a finite number of at least -0.69, where",
        ),
        ({"target_entropy_factor": -1.0}, "target_entropy_factor must be .* got -1.0"),
        (
            {"target_entropy": "auto"},
            "Temperature.target_entropy must be a finite number, got 'auto'",
        ),
        ({"initial_alpha": None}, "Temperature.initial_alpha must be a number above 0, got None"),
        ({"minimum": 0}, "Temperature.minimum must be a number above 0, got 0"),
        (
            {"minimum": 2.0, "maximum": 1.0},
            "Temperature.minimum=2.0 must not be above Temperature.maximum=1.0",
        ),
        ({"minimum": 2.0}, "Temperature.initial_alpha=1.0 must lie within Temperature.minimum=2.0"),
        ({"target_entropy": -1.0, "target_entropy_factor": 0.5}, "give one of them"),
    ],
)
def test_invalid_settings_raise(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        Temperature(**settings)
