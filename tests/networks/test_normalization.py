import numpy as np
import pytest
import tensorflow as tf

from sac_tf.networks.normalization import EnsembleBatchRenormalization, EnsembleLayerNormalization


def _inputs(members, seed, rows=6, units=4):
    generator = np.random.default_rng(seed)
    scale, shift = (
        generator.uniform(0.2, 5, [members, 1, units]),
        generator.normal(0, 3, [members, 1, units]),
    )
    return list(np.float32(generator.normal(size=[members, rows, units]) * scale + shift))


def test_layer_normalization_by_hand():
    layer = EnsembleLayerNormalization(epsilon=0.0)
    inputs = [tf.constant([[1.0, 3.0]]), tf.constant([[0.0, 4.0]])]
    layer(inputs)
    layer.gamma.assign([[1, 1], [2, 3]])
    layer.beta.assign([[0, 0], [10, 20]])
    first, second = layer(inputs)  # both are [-1, 1] before scale and offset
    np.testing.assert_allclose(first, [[-1, 1]], rtol=1e-6)
    np.testing.assert_allclose(second, [[8, 23]], rtol=1e-6)


def test_one_member_is_keras_layer_normalization():
    ours, theirs = EnsembleLayerNormalization(), tf.keras.layers.LayerNormalization(epsilon=1e-5)
    (x,) = _inputs(1, seed=0)
    np.testing.assert_allclose(ours([x])[0], theirs(x), rtol=1e-4, atol=1e-5)


def test_one_member_in_warm_up_is_keras_batch_normalization():
    ours = EnsembleBatchRenormalization(momentum=0.9, warm_up=100)
    theirs = tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
    for seed in range(4):
        (x,) = _inputs(1, seed)
        np.testing.assert_allclose(
            ours([x], training=True)[0], theirs(x, training=True), rtol=1e-3, atol=1e-4
        )
        np.testing.assert_allclose(ours([x])[0], theirs(x, training=False), rtol=1e-3, atol=1e-4)


class _Reference:
    """Batch renormalisation of one member in float64, as the paper's algorithm 1 has it."""

    def __init__(self, units, momentum, warm_up):
        self.mean, self.variance = np.zeros(units), np.ones(units)
        self.momentum, self.warm_up, self.calls = momentum, warm_up, 0

    def train(self, x):
        mean, variance = x.mean(0), x.var(0)
        std, moving_std = np.sqrt(variance + 1e-3), np.sqrt(self.variance + 1e-3)
        r, d = np.clip(std / moving_std, 1 / 3, 3), np.clip((mean - self.mean) / moving_std, -5, 5)
        if self.calls < self.warm_up:
            r, d = 1.0, 0.0
        self.calls += 1
        self.mean = self.momentum * self.mean + (1 - self.momentum) * mean
        self.variance = self.momentum * self.variance + (1 - self.momentum) * variance
        return (x - mean) / std * r + d

    def act(self, x):
        return (x - self.mean) / np.sqrt(self.variance + 1e-3)


def test_batch_renormalization_follows_the_reference_through_warm_up_and_after():
    layer = EnsembleBatchRenormalization(momentum=0.8, warm_up=3)
    references = [_Reference(4, momentum=0.8, warm_up=3) for _ in range(2)]
    step = tf.function(lambda inputs: layer(inputs, training=True))
    for seed in range(8):
        inputs = _inputs(2, seed)
        for member, (ours, reference) in enumerate(zip(step(inputs), references, strict=True)):
            np.testing.assert_allclose(ours, reference.train(inputs[member]), rtol=1e-3, atol=1e-4)
    for ours, x, reference in zip(layer(inputs), inputs, references, strict=True):
        np.testing.assert_allclose(ours, reference.act(x), rtol=1e-3, atol=1e-4)
    assert int(layer.calls) == 8  # acting does not count


def test_after_warm_up_training_computes_what_acting_does_unless_it_is_clipped():
    layer = EnsembleBatchRenormalization(warm_up=0)
    near, far = tf.constant([[0.5], [-1.0], [2.0]]), tf.constant([[90.0], [110.0], [100.0]])
    layer([near])
    np.testing.assert_allclose(layer([near])[0], layer([near], training=True)[0], rtol=1e-4)
    assert np.abs(layer([far])[0]).min() > 50
    # far: r = 8.16 and d = 100 are clipped to 3 and 5, so (x - mean) / std * 3 + 5
    clipped = 5 + 3 * np.array([[-1], [1], [0]]) * np.sqrt(3 / 2)
    np.testing.assert_allclose(layer([far], training=True)[0], clipped, rtol=1e-3)


def test_r_and_d_are_constants_to_the_gradient():
    """The gradient is that of batch normalisation, times r."""
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


def test_scale_and_offset_are_of_the_member():
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
