import numpy as np
import pytest
import tensorflow as tf

from sac_tf.networks.normalization import EnsembleBatchRenormalization, EnsembleLayerNormalization


def _inputs(members, seed, rows=6, units=4):
    generator = np.random.default_rng(seed)
    scale = generator.uniform(0.2, 5, [members, 1, units])
    shift = generator.normal(0, 3, [members, 1, units])
    return list(np.float32(generator.normal(size=[members, rows, units]) * scale + shift))


def test_layer_normalization_by_hand():
    layer = EnsembleLayerNormalization(epsilon=0.0)
    inputs = [tf.constant([[1.0, 3.0]]), tf.constant([[0.0, 4.0]])]
    layer(inputs)
    layer.gamma.assign([[1, 1], [2, 3]])
    layer.beta.assign([[0, 0], [10, 20]])
    first, second = layer(inputs)  # both [-1, 1] before scale and offset
    np.testing.assert_allclose(first, [[-1, 1]], rtol=1e-6)
    np.testing.assert_allclose(second, [[8, 23]], rtol=1e-6)


def test_one_member_is_keras_layer_normalization():
    ours = EnsembleLayerNormalization()
    keras = tf.keras.layers.LayerNormalization(epsilon=1e-5)
    (x,) = _inputs(1, seed=0)
    np.testing.assert_allclose(ours([x])[0], keras(x), rtol=1e-4, atol=1e-5)


def test_one_member_in_warm_up_is_keras_batch_normalization():
    ours = EnsembleBatchRenormalization(momentum=0.9, warm_up=100)
    keras = tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
    for seed in range(4):
        (x,) = _inputs(1, seed)
        np.testing.assert_allclose(
            ours([x], training=True)[0], keras(x, training=True), rtol=1e-3, atol=1e-4
        )
        np.testing.assert_allclose(ours([x])[0], keras(x, training=False), rtol=1e-3, atol=1e-4)


class _Reference:
    """Batch renormalization of one member in float64, after algorithm 1 of 1702.03275."""

    def __init__(self, units, momentum, warm_up):
        self.mean = np.zeros(units)
        self.variance = np.ones(units)
        self.momentum = momentum
        self.warm_up = warm_up
        self.calls = 0

    def train(self, x):
        mean = x.mean(0)
        variance = x.var(0)
        std = np.sqrt(variance + 1e-3)
        moving_std = np.sqrt(self.variance + 1e-3)
        r = np.clip(std / moving_std, 1 / 3, 3)
        d = np.clip((mean - self.mean) / moving_std, -5, 5)
        if self.calls < self.warm_up:
            r = 1.0
            d = 0.0
        self.calls += 1
        self.mean = self.momentum * self.mean + (1 - self.momentum) * mean
        self.variance = self.momentum * self.variance + (1 - self.momentum) * variance
        return (x - mean) / std * r + d

    def act(self, x):
        return (x - self.mean) / np.sqrt(self.variance + 1e-3)


def test_batch_renormalization_equals_the_reference():
    layer = EnsembleBatchRenormalization(momentum=0.8, warm_up=3)
    references = [_Reference(4, momentum=0.8, warm_up=3) for _ in range(2)]
    step = tf.function(lambda inputs: layer(inputs, training=True))
    for seed in range(8):
        inputs = _inputs(2, seed)
        for member, (ours, reference) in enumerate(zip(step(inputs), references, strict=True)):
            np.testing.assert_allclose(ours, reference.train(inputs[member]), rtol=1e-3, atol=1e-4)
    for ours, x, reference in zip(layer(inputs), inputs, references, strict=True):
        np.testing.assert_allclose(ours, reference.act(x), rtol=1e-3, atol=1e-4)
    assert int(layer.calls) == 8  # acting is not counted


def test_after_warm_up_training_equals_acting_unless_clipped():
    layer = EnsembleBatchRenormalization(warm_up=0)
    near = tf.constant([[0.5], [-1.0], [2.0]])
    far = tf.constant([[90.0], [110.0], [100.0]])
    layer([near])
    np.testing.assert_allclose(layer([near])[0], layer([near], training=True)[0], rtol=1e-4)
    assert np.abs(layer([far])[0]).min() > 50
    # For `far`, r = 8.16 and d = 100 are clipped to 3 and 5: (x - mean) / std * 3 + 5.
    clipped = 5 + 3 * np.array([[-1], [1], [0]]) * np.sqrt(3 / 2)
    np.testing.assert_allclose(layer([far], training=True)[0], clipped, rtol=1e-3)


def test_r_and_d_are_constants_to_the_gradient():
    """The gradient is that of batch normalization, times r."""
    (x,) = (tf.constant(inputs) for inputs in _inputs(1, seed=3))
    gradients = []
    for warm_up in (10, 0):
        layer = EnsembleBatchRenormalization(warm_up=warm_up)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(
                tf.sin(tf.range(24.0)) * tf.reshape(layer([x], training=True)[0], [-1])
            )
        gradients.append(tape.gradient(loss, x).numpy())
    r = np.clip(np.sqrt((x.numpy().var(0) + 1e-3) / (1 + 1e-3)), 1 / 3, 3)
    np.testing.assert_allclose(gradients[1], r * gradients[0], rtol=1e-3, atol=1e-5)
    assert np.abs(r - 1).min() > 0.05


def test_each_member_has_its_own_scale_and_offset():
    layer = EnsembleBatchRenormalization(warm_up=10)
    inputs = _inputs(2, seed=5)
    plain = layer(inputs, training=True)
    layer.gamma.assign([[1] * 4, [2] * 4])
    layer.beta.assign([[0] * 4, [7] * 4])
    scaled = layer(inputs, training=True)
    np.testing.assert_allclose(scaled[0], plain[0], atol=1e-5)
    np.testing.assert_allclose(scaled[1], 2 * plain[1] + 7, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer", [EnsembleLayerNormalization(), EnsembleBatchRenormalization()])
def test_only_scale_and_offset_are_trained(layer):
    layer(_inputs(3, seed=0))
    assert [variable.shape for variable in layer.trainable_variables] == [(3, 4), (3, 4)]
