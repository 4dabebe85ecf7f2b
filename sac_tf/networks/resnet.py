"""ResNet-10 with group normalization and learned spatial embeddings, for images: the large encoder
of SERL (2401.16013)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import gin
import numpy as np
import tensorflow as tf

from sac_tf.errors import ConfigurationError, require_count, require_counts
from sac_tf.networks.pretrained import read_arrays

_MEAN = (0.485, 0.456, 0.406)
"""Of the colors of ImageNet, in [0, 1]; and their standard deviations:"""
_STD = (0.229, 0.224, 0.225)
_GROUPS = 4
_EPSILON = 1e-5
"""Of group normalization."""


@gin.configurable
def resnet_convolutions(
    image: tf.Tensor,
    stream: Iterator[int],
    weights: str | None = None,
    frozen: bool = True,
    filters: Sequence[int] = (64, 128, 256, 512),
    embeddings: int = 8,
) -> tf.Tensor:
    """`Convolutions` of a ResNet with one block of two convolutions for each number of filters
    (1512.03385), and then learned spatial embeddings: y[c, f] = sum_hw x[h, w, c] K[h, w, c, f].

    Args:
      image: [B, H, W, 3].
      stream: seeds.
      weights: file of the ResNet's, see `read_arrays`; None for random ones.
      frozen: whether only the embeddings are trained.
      filters: of each block, multiples of 4; all but the first halve height and width.
      embeddings: f, numbers for each channel.

    Raises:
      ConfigurationError: an image without three channels, filters that are no whole groups,
        weights that do not fit, or random ones that would stay so.
    """
    _require_groups(filters)
    require_count("resnet_convolutions.embeddings", embeddings)
    if image.shape[-1] != 3:
        raise ConfigurationError(
            f"resnet_convolutions takes images of three colors, and this one has {image.shape[-1]} "
            "channels; set environment.frame_stack = 1, or use @serl_convolutions."
        )
    if frozen and weights is None:
        raise ConfigurationError(
            "resnet_convolutions.frozen=True keeps random weights; give the file of others in "
            "resnet_convolutions.weights, or set frozen to False."
        )
    backbone = make_resnet(image.shape[1:], filters, stream)
    if weights is not None:
        _set_weights(backbone, Path(weights).expanduser())
    backbone.trainable = not frozen
    return SpatialEmbeddings(embeddings, next(stream))(backbone(image))


def _require_groups(filters: Sequence[int]) -> None:
    """Raises ConfigurationError unless filters are numbers of channels in whole groups: others
    would be normalized with those of another row."""
    if any(number % _GROUPS for number in require_counts("resnet_convolutions.filters", filters)):
        raise ConfigurationError(
            f"resnet_convolutions.filters={filters!r} must be multiples of {_GROUPS}, the groups "
            "that are normalized together."
        )


class SpatialEmbeddings(tf.keras.layers.Layer):
    """Features [B, H, W, C] -> their sums over all positions, with `number` weights of each
    position and channel, [B, C * number]."""

    def __init__(self, number: int, seed: int, **kwargs):
        super().__init__(**kwargs)
        self._number = number
        self._seed = seed

    def build(self, input_shape: tf.TensorShape) -> None:
        self.kernel = self.add_weight(
            "kernel",
            (*input_shape[1:], self._number),
            # SERL counts all but the last axis as inputs, as here.
            initializer=tf.keras.initializers.LecunNormal(self._seed),
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        sums = tf.einsum("bhwc,hwcf->bcf", inputs, self.kernel)
        return tf.reshape(sums, [-1, sums.shape[1] * sums.shape[2]])


class GroupNormalization(tf.keras.layers.Layer):
    """Group normalization (1803.08494) of images [B, H, W, C]: over all positions and the
    C / groups channels of a group. TFLite cannot run the layer of Keras, whose tensors have five
    axes."""

    def __init__(self, groups: int, epsilon: float, **kwargs):
        super().__init__(**kwargs)
        self._groups = groups
        self._epsilon = epsilon

    def build(self, input_shape: tf.TensorShape) -> None:
        self.scale = self.add_weight("scale", input_shape[-1:], initializer="ones")
        self.bias = self.add_weight("bias", input_shape[-1:], initializer="zeros")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        _, height, width, channels = inputs.shape
        grouped = tf.reshape(inputs, [-1, height * width, self._groups, channels // self._groups])
        mean, variance = tf.nn.moments(grouped, [1, 3], keepdims=True)
        normalized = (grouped - mean) * tf.math.rsqrt(variance + self._epsilon)
        return tf.reshape(normalized, [-1, height, width, channels]) * self.scale + self.bias


def make_resnet(
    shape: Sequence[int], filters: Sequence[int], stream: Iterator[int]
) -> tf.keras.Model:
    """Returns a functional model: image [B, H, W, 3] in [0, 1] -> features [B, H', W', C].

    Its layers have the names of the weights in a file: conv_init, ResNetBlock_0.Conv_0 and so on.
    """
    image = tf.keras.Input(shape)
    x = (image - np.array(_MEAN, np.float32)) / np.array(_STD, np.float32)
    x = tf.keras.layers.ZeroPadding2D(3)(x)
    x = _convolution(filters[0], 7, 2, "conv_init", stream, padding="valid")(x)
    x = tf.keras.layers.ReLU()(_normalization("norm_init")(x))
    x = tf.keras.layers.MaxPool2D(3, 2, padding="same")(x)
    for number, units in enumerate(filters):
        x = _block(x, units, 1 if number == 0 else 2, f"ResNetBlock_{number}", stream)
    return tf.keras.Model(image, x)


def _block(x: tf.Tensor, filters: int, stride: int, name: str, stream: Iterator[int]) -> tf.Tensor:
    """Returns relu(x + F(x)), F two convolutions of 3x3; x is projected where its shape changes."""
    y = _convolution(filters, 3, stride, f"{name}.Conv_0", stream)(x)
    y = tf.keras.layers.ReLU()(_normalization(f"{name}.MyGroupNorm_0")(y))
    y = _convolution(filters, 3, 1, f"{name}.Conv_1", stream)(y)
    y = _normalization(f"{name}.MyGroupNorm_1")(y)
    if x.shape != y.shape:
        x = _convolution(filters, 1, stride, f"{name}.conv_proj", stream)(x)
        x = _normalization(f"{name}.norm_proj")(x)
    return tf.keras.layers.ReLU()(x + y)


def _convolution(
    filters: int, size: int, stride: int, name: str, stream: Iterator[int], padding: str = "same"
) -> tf.keras.layers.Layer:
    return tf.keras.layers.Conv2D(
        filters,
        size,
        stride,
        padding=padding,
        use_bias=False,
        kernel_initializer=tf.keras.initializers.HeNormal(next(stream)),
        name=name,
    )


def _normalization(name: str) -> tf.keras.layers.Layer:
    return GroupNormalization(_GROUPS, _EPSILON, name=name)


def _set_weights(backbone: tf.keras.Model, path: Path) -> None:
    """Gives a ResNet the weights of a file; raises ConfigurationError if they do not fit."""
    arrays = read_arrays("resnet_convolutions.weights", path)
    for variable in backbone.variables:
        key = variable.name.removesuffix(":0").replace("/", ".")
        array = arrays.get(key)
        if array is None or array.shape != tuple(variable.shape):
            found = "no such array" if array is None else f"one of {list(array.shape)}"
            raise ConfigurationError(
                f"resnet_convolutions.weights={str(path)!r} must have an array {key} of the "
                f"shape {list(variable.shape)}, and it has {found}."
            )
        variable.assign(array)
