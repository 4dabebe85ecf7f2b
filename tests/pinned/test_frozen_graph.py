import numpy as np
import tensorflow as tf

from sac_tf.pinned.frozen_graph import freeze


def test_layer_normalization_keeps_its_epsilon():
    """It fails where TensorFlow uses oneDNN, as it does on processors with AVX512_VNNI, if
    Grappler may replace Keras' layer."""
    dense = tf.keras.layers.Dense(64, kernel_initializer=tf.keras.initializers.Orthogonal(seed=0))
    norm = tf.keras.layers.LayerNormalization(epsilon=1e-5)
    x = tf.constant(np.random.default_rng(0).normal(scale=0.03, size=[1, 16]), tf.float32)
    norm(dense(x))
    norm.gamma.assign(np.linspace(0.9, 1.1, 64))
    norm.beta.assign(np.linspace(-0.1, 0.1, 64))

    frozen = freeze(lambda x: {"y": norm(dense(x))}, [tf.TensorSpec([1, 16], name="x")])
    np.testing.assert_allclose(frozen(x)["y"], norm(dense(x)), rtol=1e-4, atol=1e-4)
