"""Optimizers: AdamW, schedules and clipping, with steps worked by hand."""

import gin
import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.optimizers import adam, minimize, with_slots
from sac_tf.agents.schedules import linear_warmup
from sac_tf.errors import ConfigurationError
from sac_tf.pinned.keras_optimizers import AdamW


def _step(optimizer, variable, gradient):
    optimizer.apply_gradients([(tf.constant(gradient), variable)])
    return variable.numpy()


def test_adamw_steps_by_hand():
    """Both steps of Adam are the rate times the sign of the gradient, because the gradients are
    equal; the decay subtracts the rate times 0.5 of the variable."""
    variable = tf.Variable([2.0, -1.0])
    optimizer = with_slots(adam(learning_rate=0.1, weight_decay=0.5), [variable])
    np.testing.assert_array_equal(variable, [2.0, -1.0])  # slots are made without a step
    np.testing.assert_allclose(
        _step(optimizer, variable, [3.0, 4.0]), [2 - 0.1 - 0.1, -1 - 0.1 + 0.05], rtol=1e-5
    )
    np.testing.assert_allclose(
        _step(optimizer, variable, [3.0, 4.0]), [1.8 - 0.1 - 0.09, -1.05 - 0.1 + 0.0525], rtol=1e-5
    )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_weight_decay_and_schedule_in_a_compiled_step(jit_compile):
    """The rate is 0, then 0.05; the gradient is that of the variable's sum."""
    variable = tf.Variable([2.0])
    optimizer = with_slots(adam(linear_warmup(0.1, warmup_steps=2), weight_decay=0.5), [variable])

    def step():
        return minimize(lambda: (tf.reshape(variable, [1]), 0), optimizer, [variable])[0]["loss"]

    step = tf.function(step, jit_compile=jit_compile, autograph=False)
    step()
    np.testing.assert_array_equal(variable, [2.0])
    step()
    np.testing.assert_allclose(variable, [2 - 0.05 - 0.05 * 0.5 * 2], rtol=1e-5)


def test_a_schedule_resumes_from_a_checkpoint(tmp_path):
    def make():
        variable = tf.Variable([2.0])
        optimizer = with_slots(adam(linear_warmup(0.1, warmup_steps=4)), [variable])
        return variable, optimizer, tf.train.Checkpoint(variable=variable, optimizer=optimizer)

    variable, optimizer, checkpoint = make()
    for _ in range(2):
        _step(optimizer, variable, [1.0])
    checkpoint.write(str(tmp_path / "state"))
    uninterrupted = _step(optimizer, variable, [1.0])
    variable, optimizer, checkpoint = make()
    checkpoint.read(str(tmp_path / "state")).assert_consumed()
    np.testing.assert_array_equal(_step(optimizer, variable, [1.0]), uninterrupted)
    np.testing.assert_allclose(uninterrupted, [2 - 0.025 - 0.05], rtol=1e-5)


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
@pytest.mark.parametrize(("norm", "expected"), [(0.5, [-0.75, -0.8]), (10.0, [-3 / 3.1, -4 / 4.1])])
def test_a_step_is_clipped_by_the_norm_of_all_gradients(weight_decay, norm, expected):
    """Without momentum, the step from 0 is -g / (|g| + 0.1) at a rate of 1. The gradient (3, 4) of
    norm 5 is clipped to (0.3, 0.4), or left as it is; the norm in the metrics is 5 either way."""
    variables = [tf.Variable(0.0), tf.Variable(0.0)]
    optimizer = adam(1.0, 0.0, 0.0, 0.1, weight_decay=weight_decay, global_clipnorm=norm)

    def loss():
        return tf.reshape(3 * variables[0] + 4 * variables[1], [1]), None

    metrics, _ = minimize(loss, with_slots(optimizer, variables), variables)
    np.testing.assert_allclose(variables, expected, rtol=1e-5)
    assert float(metrics["gradient_norm"]) == pytest.approx(5)


def test_gin_sets_rate_decay_and_clipping_of_each_optimizer():
    """The first moment is 0.1 of the clipped gradient, which is 7 before."""
    gin.parse_config_file("gin_configs/adamw.gin")
    gin.parse_config("critic/cosine_decay.learning_rate = 1e-3\ncritic/adam.global_clipnorm = 2.0")
    made = {part: gin.get_configurable(f"{part}/adam")() for part in ("actor", "critic", "alpha")}
    assert float(made["alpha"].learning_rate) == pytest.approx(3e-4)
    assert type(made["alpha"]) is tf.keras.optimizers.legacy.Adam
    assert type(made["actor"]) is type(made["critic"]) is AdamW
    assert float(made["critic"].learning_rate(2000)) == pytest.approx(1e-3)
    assert float(made["actor"].learning_rate(2000)) == pytest.approx(3e-4)
    for part, clipped in (("critic", 2.0), ("actor", 1.0), ("alpha", 7.0)):
        variable = tf.Variable(0.0)
        optimizer = with_slots(made[part], [variable])
        minimize(lambda v=variable: (tf.reshape(7 * v, [1]), None), optimizer, [variable])
        assert float(optimizer.get_slot(variable, "m")) == pytest.approx(0.1 * clipped)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"learning_rate": 0}, "adam.learning_rate must be a number above 0"),
        ({"learning_rate": "fast"}, "adam.learning_rate must be a number above 0.*got 'fast'"),
        ({"beta_1": 1.0}, "adam.beta_1 must be a number from 0 to below 1, got 1.0"),
        ({"beta_2": 5}, "adam.beta_2 must be a number from 0 to below 1, got 5"),
        ({"epsilon": -1.0}, "adam.epsilon must be a number above 0, got -1.0"),
        (
            {"weight_decay": -0.1},
            "adam.weight_decay must be a number from 0 to below 1, got -0.1",
        ),
        (
            {"global_clipnorm": 0},
            "adam.global_clipnorm must be a number above 0 or None, got 0",
        ),
    ],
)
def test_a_number_out_of_range_raises(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        adam(**settings)
