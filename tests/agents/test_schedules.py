"""Schedules of the learning rate: values worked by hand."""

import pytest

from sac_tf.agents import schedules
from sac_tf.errors import ConfigurationError


def test_linear_warmup_rises_to_the_rate_and_stays():
    schedule = schedules.linear_warmup(learning_rate=0.4, warmup_steps=8)
    for step, expected in ((0, 0.0), (1, 0.05), (4, 0.2), (8, 0.4), (1000, 0.4)):
        assert float(schedule(step)) == pytest.approx(expected)


def test_linear_decay_falls_to_a_fraction_of_the_rate():
    schedule = schedules.linear_decay(learning_rate=0.4, decay_steps=8, final_fraction=0.25)
    for step, expected in ((0, 0.4), (2, 0.325), (4, 0.25), (8, 0.1), (1000, 0.1)):
        assert float(schedule(step)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("warmup_steps", "expected"),
    [
        # 0.4 * (0.25 + 0.75 * (1 + cos(pi * k / 6)) / 2), k steps after the warm-up
        (0, {0: 0.4, 2: 0.325, 3: 0.25, 6: 0.1, 1000: 0.1}),
        (4, {0: 0.0, 1: 0.1, 4: 0.4, 6: 0.325, 7: 0.25, 10: 0.1, 1000: 0.1}),
    ],
)
def test_cosine_decay_falls_after_its_warm_up(warmup_steps, expected):
    schedule = schedules.cosine_decay(
        0.4, decay_steps=6, warmup_steps=warmup_steps, final_fraction=0.25
    )
    for step, rate in expected.items():
        assert float(schedule(step)) == pytest.approx(rate, abs=1e-7)


@pytest.mark.parametrize(
    ("make", "settings", "words"),
    [
        (
            schedules.linear_warmup,
            {"learning_rate": 0},
            "linear_warmup.learning_rate must be a number above 0",
        ),
        (
            schedules.linear_warmup,
            {"warmup_steps": 0},
            "linear_warmup.warmup_steps must be an integer of at least 1",
        ),
        *(
            (
                make,
                {"learning_rate": schedules.cosine_decay()},
                f"{make.__name__}.learning_rate must be a number above 0",
            )
            for make in (schedules.linear_warmup, schedules.linear_decay, schedules.cosine_decay)
        ),
        (
            schedules.linear_decay,
            {"final_fraction": -0.5},
            "linear_decay.final_fraction must be a number from 0 to 1",
        ),
        (
            schedules.cosine_decay,
            {"decay_steps": 1.5},
            "cosine_decay.decay_steps must be an integer of at least 1",
        ),
        (
            schedules.cosine_decay,
            {"decay_steps": 9, "warmup_steps": -1},
            "cosine_decay.warmup_steps must be",
        ),
        (
            schedules.cosine_decay,
            {"decay_steps": 9, "final_fraction": 2},
            "cosine_decay.final_fraction must be",
        ),
    ],
)
def test_a_number_out_of_range_raises(make, settings, words):
    with pytest.raises(ConfigurationError, match=words):
        make(**settings)
