"""Encoders: convolutions for images, and their fusion with the vectors of an observation."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import gin
import numpy as np
import tensorflow as tf

from sac_tf.errors import ConfigurationError, require_count, require_counts
from sac_tf.leaves import ObservationLeaf
from sac_tf.networks.inputs import Normalization, join_leaves, keras_inputs, used_leaves
from sac_tf.types import EnvironmentSpec, Nest

_ENCODER = "encoder"
"""Name of the layer with all convolutions of a network."""
_EPSILON = 1e-5
"""Of layer normalization."""


class Convolutions(Protocol):
    """Builds the convolutions of one camera: float32 image [B, H, W, C] in [0, 1] -> features
    [B, F]."""

    def __call__(self, image: tf.Tensor, stream: Iterator[int]) -> tf.Tensor:
        """Returns the features; `stream` has a seed for each layer."""


@gin.configurable
def flattened(x: tf.Tensor) -> tf.Tensor:
    """Returns all values of feature maps: [B, H, W, C] -> [B, H * W * C]."""
    return tf.keras.layers.Flatten()(x)


@gin.configurable
def spatial_softmax(x: tf.Tensor) -> tf.Tensor:
    """Returns where each feature map is large, the mean position under its softmax (1504.00702):
    [B, H, W, C] -> [B, 2 * C], y of all maps, then x of all, from -1 to 1."""
    _, height, width, maps = x.shape
    flat = tf.keras.layers.Reshape((height * width, maps))(x)
    weights = tf.keras.layers.Softmax(axis=1)(flat)
    axes = (np.linspace(-1, 1, height), np.linspace(-1, 1, width))
    positions = np.reshape(np.meshgrid(*axes, indexing="ij"), (2, -1)).astype(np.float32)
    return tf.keras.layers.Flatten()(tf.matmul(positions, weights))


@gin.configurable
def drq_convolutions(
    image: tf.Tensor,
    stream: Iterator[int],
    filters: Sequence[int] = (32, 32, 32, 32),
    strides: Sequence[int] = (2, 2, 2, 1),
    pooling: Callable[[tf.Tensor], tf.Tensor] = flattened,
) -> tf.Tensor:
    """`Convolutions` of 3x3 with ReLU, orthogonally initialized, as in DrQ (2004.13649).

    Args:
      image: [B, H, W, C].
      stream: seeds.
      filters: of each layer.
      strides: of each layer; (2, 1, 1, 1) are those of DrQ, and take about five times as long.
      pooling: feature maps of the last layer [B, H', W', C'] -> features [B, F].

    Raises:
      ConfigurationError: unequal numbers of filters and strides, or too small an image.
    """
    require_counts("drq_convolutions.filters", filters)
    require_counts("drq_convolutions.strides", strides)
    if len(filters) != len(strides):
        raise ConfigurationError(
            f"drq_convolutions.filters={filters!r} and drq_convolutions.strides={strides!r} must "
            "have a number for each layer."
        )
    x = _convolved(image - 0.5, filters, strides, f"drq_convolutions.strides={strides!r}", stream)
    return pooling(x)


@gin.configurable
def serl_convolutions(
    image: tf.Tensor, stream: Iterator[int], filters: Sequence[int] = (32, 64, 128, 256)
) -> tf.Tensor:
    """`Convolutions` of 3x3 with stride 2 and ReLU, and then the mean over all positions: the small
    encoder of SERL (2401.16013).

    Args:
      image: [B, H, W, C].
      stream: seeds.
      filters: of each layer.
    """
    require_counts("serl_convolutions.filters", filters)
    strides = [2] * len(filters)
    x = _convolved(image, filters, strides, f"serl_convolutions.filters={filters!r}", stream)
    return tf.keras.layers.GlobalAveragePooling2D()(x)


def _convolved(
    image: tf.Tensor,
    filters: Sequence[int],
    strides: Sequence[int],
    setting: str,
    stream: Iterator[int],
) -> tf.Tensor:
    """Returns an image after convolutions of 3x3 with ReLU; raises ConfigurationError that names
    the setting if the image is too small for them."""
    x = image
    for units, stride in zip(filters, strides, strict=True):
        if min(x.shape[1:3]) < 3:
            raise ConfigurationError(
                f"An image of {image.shape[1]} x {image.shape[2]} pixels is too small for "
                f"{setting}; make it larger, or set fewer layers."
            )
        x = _convolution(units, stride, next(stream))(x)
    return x


def _convolution(filters: int, stride: int, seed: int) -> tf.keras.layers.Layer:
    initializer = tf.keras.initializers.Orthogonal(gain=np.sqrt(2), seed=seed)
    return tf.keras.layers.Conv2D(
        filters, 3, stride, activation="relu", kernel_initializer=initializer
    )


@gin.configurable
def encoded_inputs(
    spec: EnvironmentSpec,
    normalization: Normalization | None,
    stream: Iterator[int],
    leaves: Callable[[EnvironmentSpec], Sequence[ObservationLeaf]] = used_leaves,
    convolutions: Convolutions = drq_convolutions,
    image_features: int = 50,
    vector_features: int = 64,
    shares_features: bool = False,
) -> tuple[Nest, Sequence[tf.Tensor]]:
    """`Inputs` with an encoder for each image: convolutions -> dense -> layer normalization ->
    tanh. All vectors together pass through one dense layer, normalized alike.

    Args:
      spec: of the task.
      normalization: of the vectors; None for none. Images are divided by 255.
      stream: seeds.
      leaves: which arrays of the observation are used.
      convolutions: of each image.
      image_features, vector_features: units of the dense layer after the convolutions, and of the
        one of the vectors.
      shares_features: whether policy and critics share the dense layers of images too (SERL).

    Raises:
      ConfigurationError: no image, an array that is almost one, or a setting out of range.
    """
    require_count("encoded_inputs.image_features", image_features)
    require_count("encoded_inputs.vector_features", vector_features)
    used = leaves(spec)
    _require_images(used)
    inputs, arrays = keras_inputs(spec)
    given = _normalized(dict(zip(spec.observation_leaves, arrays, strict=True)), normalization)
    images = [given[leaf] for leaf in used if leaf.is_image]
    dense = functools.partial(_dense, image_features, stream)
    convolve = functools.partial(convolutions, stream=stream)
    outputs = _encode(images, convolve, dense, shares_features)
    kept = [given[leaf] for leaf in used if not leaf.is_image]
    if kept:
        outputs.append(_dense(vector_features, stream)(join_leaves(kept)))
    return inputs, outputs


def _normalized(
    given: Mapping[ObservationLeaf, tf.Tensor], normalization: Normalization | None
) -> Mapping[ObservationLeaf, tf.Tensor]:
    """Returns the arrays of an observation, its vectors normalized."""
    vectors = [leaf for leaf in given if not leaf.is_image]
    if normalization is None or not vectors:
        return given
    arrays = normalization()([given[leaf] for leaf in vectors])
    return {**given, **dict(zip(vectors, arrays, strict=True))}


def _encode(
    images: Sequence[tf.Tensor],
    convolutions: Callable[[tf.Tensor], tf.Tensor],
    dense: Callable[[], tf.keras.Sequential],
    shares_features: bool,
) -> list[tf.Tensor]:
    """Returns the features of images, by an encoder that has the dense layers too or not."""
    features = [convolutions(tf.keras.layers.Rescaling(1 / 255)(image)) for image in images]
    if shares_features:
        features = [dense()(x) for x in features]
    outputs = tf.nest.flatten(tf.keras.Model(images, features, name=_ENCODER)(images))
    return outputs if shares_features else [dense()(x) for x in outputs]


def _require_images(leaves: Sequence[ObservationLeaf]) -> None:
    """Raises ConfigurationError if no array is an image, or one is almost an image."""
    for leaf in leaves:
        if leaf.dtype == "float32" and len(leaf.shape) == 3:
            raise ConfigurationError(
                f"encoded_inputs takes images of uint8, and the observation has {leaf}; convert it "
                "with gymnasium.wrappers.TransformObservation(env, lambda image: np.uint8(255 * "
                "image), gymnasium.spaces.Box(0, 255, shape, np.uint8)) in a function of yours, "
                "named in environment.wrappers."
            )
        if leaf.dtype == "uint8" and len(leaf.shape) == 2:
            raise ConfigurationError(
                "encoded_inputs takes images [height, width, channels], and the observation has "
                f"{leaf}; give it an axis for its channel, as [GrayscaleObservation, {{'keep_dim': "
                "True}] in environment.wrappers does."
            )
    if not any(leaf.is_image for leaf in leaves):
        raise ConfigurationError(
            "encoded_inputs needs an image, uint8 [height, width, channels], and the observation "
            f"has {', '.join(map(str, leaves))}; leave gin_configs/drq.gin out, or draw one with "
            "AddRenderObservation in environment.wrappers."
        )


def _dense(units: int, stream: Iterator[int]) -> tf.keras.Sequential:
    """Returns dense -> layer normalization -> tanh."""
    initializer = tf.keras.initializers.Orthogonal(seed=next(stream))
    return tf.keras.Sequential(
        [
            tf.keras.layers.Dense(units, kernel_initializer=initializer),
            tf.keras.layers.LayerNormalization(epsilon=_EPSILON),
            tf.keras.layers.Activation("tanh"),
        ]
    )


def encoder_of(network: tf.keras.Model) -> tf.keras.Model | None:
    """Returns the part of a network that has its convolutions, or None if it has none."""
    found = [layer for layer in getattr(network, "layers", ()) if layer.name == _ENCODER]
    return found[0] if found else None


class Split:
    """A network in two parts: what encodes an observation, and the rest.

    Args:
      network: a model with the inputs [observation, *others] and an encoder.

    Attributes:
      encoder: the part with the convolutions.
      head: a model with the inputs [encoding, *others] and the outputs of the network.
    """

    def __init__(self, network: tf.keras.Model):
        encoder = encoder_of(network)
        assert encoder is not None
        self.encoder: tf.keras.Model = encoder
        # Keras returns the only input of a network without the list around it.
        inputs = network.input if isinstance(network.input, list) else [network.input]
        observation, *others = inputs
        names = [tensor.name for tensor in tf.nest.flatten(observation)]
        images = {tensor.name for tensor in self.encoder.inputs}
        self._images = [number for number, name in enumerate(names) if name in images]
        unused = {name for name in names if not network.get_layer(name).outbound_nodes}
        self._vectors = [i for i, name in enumerate(names) if name not in images | unused]
        (call,) = self.encoder.inbound_nodes
        encoding = self._join(call.outputs, tf.nest.flatten(observation))
        self.head = tf.keras.Model([encoding, *others], network.output)

    def encode(self, observation: Nest) -> list[tf.Tensor]:
        """Returns the encoding of an observation, nest of [B, ...]: the features of its images, and
        its vectors."""
        arrays = tf.nest.flatten(observation)
        return self._join(self.encoder([arrays[number] for number in self._images]), arrays)

    def _join(self, features: Nest, arrays: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        return [*tf.nest.flatten(features), *[arrays[number] for number in self._vectors]]
