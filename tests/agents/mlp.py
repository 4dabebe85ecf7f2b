"""A NumPy forward pass of the networks of the library, for oracles of losses."""

import numpy as np


def mlp(weights, x):
    """Returns the output of dense layers with ReLU between them.

    Args:
      weights: kernel, bias, kernel, bias, ...
      x: [rows, inputs].
    """
    layers = list(zip(weights[::2], weights[1::2], strict=True))
    for kernel, bias in layers[:-1]:
        x = np.maximum(x @ kernel + bias, 0)
    kernel, bias = layers[-1]
    return x @ kernel + bias


def q_values(critics, observation, action):
    """Returns Q values [N, rows] of an ensemble of critics without a normalization."""
    x = np.concatenate([observation, action], axis=1).astype(np.float64)
    layers = [layer for layer in critics.layers if hasattr(layer, "kernels")]
    members = range(len(layers[0].kernels))
    values = []
    for member in members:
        pairs = [(layer.kernels[member].numpy(), layer.biases[member].numpy()) for layer in layers]
        values.append(mlp([weight for pair in pairs for weight in pair], x)[:, 0])
    return np.stack(values)
