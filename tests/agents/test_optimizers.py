import functools

import gin
import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.optimizers import adam, clip_by_global_norm, minimize, with_slots
from sac_tf.agents.schedules import linear_warmup
from sac_tf.errors import ConfigurationError
from sac_tf.training import loop  # noqa: F401 (registers what the gin files wire)


def _step(optimizer, variable, gradient):
    optimizer.apply_gradients([(tf.constant(gradient), variable)])
    return variable.numpy()


def test_adamw_takes_rate_times_decay_of_the_variable_and_the_step_of_adam():
    """Adam's first step is the rate times the sign of the gradient, its second here the same (equal
    gradients)."""
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
def test_weight_decay_and_schedule_work_in_a_compiled_step(jit_compile):
    """Rate 0, then 0.05: the gradient is that of the variable's sum."""
    variable = tf.Variable([2.0])
    optimizer = with_slots(adam(linear_warmup(0.1, warmup_steps=2), weight_decay=0.5), [variable])

    def step():
        return minimize(lambda: (tf.reshape(variable, [1]), 0), optimizer, [variable])[0]["loss"]

    step = tf.function(step, jit_compile=jit_compile, autograph=False)
    step()
    np.testing.assert_array_equal(variable, [2.0])
    step()
    np.testing.assert_allclose(variable, [2 - 0.05 - 0.05 * 0.5 * 2], rtol=1e-5)


def test_a_scheduled_rate_goes_on_after_a_checkpoint(tmp_path):
    def make():
        variable = tf.Variable([2.0])
        optimizer = with_slots(adam(linear_warmup(0.1, warmup_steps=4)), [variable])
        return variable, optimizer, tf.train.Checkpoint(variable=variable, optimizer=optimizer)

    variable, optimizer, checkpoint = make()
    for _ in range(2):
        _step(optimizer, variable, [1.0])
    checkpoint.write(str(tmp_path / "state"))
    whole = _step(optimizer, variable, [1.0])
    variable, optimizer, checkpoint = make()
    checkpoint.read(str(tmp_path / "state")).assert_consumed()
    np.testing.assert_array_equal(_step(optimizer, variable, [1.0]), whole)
    np.testing.assert_allclose(whole, [2 - 0.025 - 0.05], rtol=1e-5)


@pytest.mark.parametrize(("norm", "expected"), [(1.0, [[0.6], [0.8]]), (10.0, [[3.0], [4.0]])])
def test_gradients_are_scaled_down_to_the_norm_all_together(norm, expected):
    gradients = clip_by_global_norm([tf.constant([3.0]), tf.constant([4.0])], [], norm=norm)
    np.testing.assert_allclose(gradients, expected, rtol=1e-6)


def test_a_clipped_step_applies_what_was_clipped_and_reports_the_norm_before():
    """With gradient descent at rate 1 the step is the gradient: (3, 4), clipped to norm 0.5."""
    variables = [tf.Variable(0.0), tf.Variable(0.0)]

    def loss():
        return tf.reshape(3 * variables[0] + 4 * variables[1], [1]), None

    clip = functools.partial(clip_by_global_norm, norm=0.5)
    metrics, _ = minimize(loss, tf.keras.optimizers.legacy.SGD(1.0), variables, clip)
    np.testing.assert_allclose(variables, [-0.3, -0.4], rtol=1e-6)
    assert float(metrics["gradient_norm"]) == pytest.approx(5)


def test_gin_gives_each_part_its_own_rate_decay_and_clipping():
    gin.parse_config_file("gin_configs/adamw.gin")
    gin.parse_config(
        "critic/cosine_decay.learning_rate = 1e-3\ncritic/clip_by_global_norm.norm = 2.0"
    )
    made = {part: gin.get_configurable(f"{part}/adam")() for part in ("actor", "critic", "alpha")}
    assert float(made["alpha"].learning_rate) == pytest.approx(3e-4)
    assert type(made["alpha"]) is tf.keras.optimizers.legacy.Adam
    assert float(made["critic"].learning_rate(2000)) == pytest.approx(1e-3)
    assert float(made["actor"].learning_rate(2000)) == pytest.approx(3e-4)
    for name, moved in (("critic/minimize", 2.0), ("actor/minimize", 1.0)):
        variable = tf.Variable(0.0)
        sgd = tf.keras.optimizers.legacy.SGD(1.0)
        gin.get_configurable(name)(
            lambda v=variable: (tf.reshape(7 * v, [1]), None), sgd, [variable]
        )
        assert float(variable) == pytest.approx(-moved)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: adam(learning_rate=0), "adam.learning_rate must be a number above 0"),
        (
            lambda: adam(learning_rate="fast"),
            "adam.learning_rate must be a number above 0.*got 'fast'",
        ),
        (
            lambda: adam(weight_decay=-0.1),
            "adam.weight_decay must be a number from 0 to below 1, got -0.1",
        ),
        (
            lambda: clip_by_global_norm([], [], norm=0),
            "clip_by_global_norm.norm must be a number above 0, got 0",
        ),
    ],
)
def test_bad_numbers_are_refused(make, words):
    with pytest.raises(ConfigurationError, match=words):
        make()
