"""The ResNet against its definition in NumPy, and files with its weights."""

import functools
import os
import pickle
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.sac import steps
from sac_tf.errors import ConfigurationError
from sac_tf.networks.resnet import SpatialEmbeddings, make_resnet, resnet_convolutions
from tests.images import batch_of, spec_of, state_of

FILTERS = (4, 8)
NUMBER = 3


def _convolved(x, kernel, stride):
    """A convolution [H, W, C] whose output is as large as the input divided by the stride, rounded
    up: the padding is at the end where it is odd."""
    size = len(kernel)
    height, width = (-(-length // stride) for length in x.shape[:2])
    pads = [
        max((out - 1) * stride + size - length, 0)
        for out, length in zip((height, width), x.shape[:2], strict=True)
    ]
    x = np.pad(x, [*((pad // 2, pad - pad // 2) for pad in pads), (0, 0)])
    return _valid(x, kernel, stride)


def _valid(x, kernel, stride):
    size = len(kernel)
    return np.array(
        [
            [
                np.tensordot(x[i : i + size, j : j + size], kernel, 3)
                for j in range(0, x.shape[1] - size + 1, stride)
            ]
            for i in range(0, x.shape[0] - size + 1, stride)
        ]
    )


def _normalized(x, arrays):
    groups = x.reshape(*x.shape[:2], 4, -1)
    mean, variance = groups.mean((0, 1, 3), keepdims=True), groups.var((0, 1, 3), keepdims=True)
    flat = ((groups - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape)
    return flat * arrays["scale"] + arrays["bias"]


def _pooled(x):
    """The largest of 3 x 3, every second; an odd padding is at the end."""
    height, width = (-(-length // 2) for length in x.shape[:2])
    pads = [2 * out + 1 - length for out, length in zip((height, width), x.shape[:2], strict=True)]
    limits = [*((pad // 2, pad - pad // 2) for pad in pads), (0, 0)]
    x = np.pad(x, limits, constant_values=-np.inf)
    return np.array(
        [
            [x[i : i + 3, j : j + 3].max((0, 1)) for j in range(0, 2 * width, 2)]
            for i in range(0, 2 * height, 2)
        ]
    )


def _resnet(image, weights):
    """The definition: image [H, W, 3] in [0, 1] -> features [H', W', C]."""
    x = (image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    x = _valid(np.pad(x, [(3, 3), (3, 3), (0, 0)]), weights["conv_init"]["kernel"], 2)
    x = _pooled(np.maximum(_normalized(x, weights["norm_init"]), 0))
    for number in range(len(FILTERS)):
        block = weights[f"ResNetBlock_{number}"]
        stride = 1 if number == 0 else 2
        y = _convolved(x, block["Conv_0"]["kernel"], stride)
        y = np.maximum(_normalized(y, block["MyGroupNorm_0"]), 0)
        y = _normalized(_convolved(y, block["Conv_1"]["kernel"], 1), block["MyGroupNorm_1"])
        if "conv_proj" in block:
            x = _convolved(x, block["conv_proj"]["kernel"], stride)
            x = _normalized(x, block["norm_proj"])
        x = np.maximum(x + y, 0)
    return x


def _weights():
    """Random weights in the nested dicts of a file of SERL."""
    generator = np.random.default_rng(0)

    def kernel(*shape):
        return {"kernel": generator.normal(size=shape).astype(np.float32)}

    def norm(units):
        return {name: generator.normal(size=units).astype(np.float32) for name in ("scale", "bias")}

    weights = {"conv_init": kernel(7, 7, 3, 4), "norm_init": norm(4), "output_head": kernel(8, 5)}
    channels = 4
    for number, units in enumerate(FILTERS):
        block = {"Conv_0": kernel(3, 3, channels, units), "Conv_1": kernel(3, 3, units, units)}
        block |= {"MyGroupNorm_0": norm(units), "MyGroupNorm_1": norm(units)}
        if units != channels:
            block |= {"conv_proj": kernel(1, 1, channels, units), "norm_proj": norm(units)}
        weights[f"ResNetBlock_{number}"] = block
        channels = units
    return weights


class _OfJax:
    """An array that is pickled as one of JAX."""

    def __init__(self, array):
        self._array = array

    def __reduce__(self):
        rebuild, arguments, state = self._array.__reduce__()
        return sys.modules["jax._src.array"]._reconstruct_array, (rebuild, arguments, state, {})


def _flat(nest, path=()):
    for key, value in nest.items():
        if isinstance(value, dict):
            yield from _flat(value, (*path, key))
        else:
            yield "/".join((*path, key)), value


@pytest.fixture(params=["npz", "numpy", "jax"])
def weights_file(request, tmp_path, monkeypatch):
    """Files of each kind with the same weights."""
    if request.param == "npz":
        path = tmp_path / "weights.npz"
        np.savez(path, **dict(_flat(_weights())))
        return path
    weights = _weights()
    if request.param == "jax":
        for name in ("jax", "jax._src", "jax._src.array"):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        exec("def _reconstruct_array(*_): ...", sys.modules["jax._src.array"].__dict__)
        weights = tf.nest.map_structure(_OfJax, weights)
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps(weights))
    return path


@pytest.mark.parametrize("size", [(32, 32), (37, 30)])
def test_the_network_is_its_definition(weights_file, size):
    image = np.random.default_rng(1).random((*size, 3)).astype(np.float32)
    given = tf.keras.Input(image.shape)
    settings = {"weights": str(weights_file), "filters": FILTERS, "embeddings": NUMBER}
    features = resnet_convolutions(given, iter(range(100)), **settings)
    found = tf.keras.Model(given, features)
    *_, pooling = found.layers
    expected = np.einsum("hwc,hwcf->cf", _resnet(image, _weights()), pooling.kernel.numpy())
    np.testing.assert_allclose(found(image[None])[0], expected.ravel(), rtol=1e-3, atol=1e-3)


def test_sizes_are_those_of_serl():
    """Without its head, the published file has 36 arrays with 4,905,792 numbers."""
    backbone = make_resnet((128, 128, 3), (64, 128, 256, 512), iter(range(100)))
    assert backbone.output_shape == (None, 4, 4, 512)
    assert (len(backbone.variables), backbone.count_params()) == (36, 4_905_792)
    pooling = SpatialEmbeddings(8, seed=0)
    assert pooling(tf.zeros([2, 4, 4, 512])).shape == (2, 4096)
    assert pooling.count_params() == 65_536
    assert abs(float(tf.math.reduce_std(pooling.kernel)) - 8192**-0.5) < 2e-4


@pytest.mark.parametrize("frozen", [True, False])
def test_only_the_embeddings_of_a_frozen_one_are_trained(tmp_path, frozen):
    path = tmp_path / "weights.npz"
    np.savez(path, **dict(_flat(_weights())))
    convolutions = functools.partial(
        resnet_convolutions, weights=str(path), frozen=frozen, filters=FILTERS
    )
    spec = spec_of((16, 16, 3))
    state = state_of(spec, convolutions=convolutions, shares_features=True)
    critics, target = state.critics.model, state.critics.target
    before = {v.name: v.numpy() for v in critics.variables}
    steps.critic_step(state, batch_of(spec), tau=0.5)
    for variable, copy in zip(critics.variables, target.variables, strict=True):
        is_fixed = np.array_equal(before[variable.name], variable)
        is_backbone = "ResNetBlock" in variable.name or "_init" in variable.name
        assert is_fixed == (frozen and is_backbone)
        if is_fixed:
            np.testing.assert_array_equal(copy, variable)


def _refused(message, path=None, channels=3, **settings):
    image = tf.keras.Input((32, 32, channels))
    settings = {"filters": FILTERS, "weights": None if path is None else str(path), **settings}
    with pytest.raises(ConfigurationError, match=message):
        resnet_convolutions(image, iter(range(100)), **settings)


def test_random_weights_are_not_frozen():
    _refused("frozen=True keeps random weights; give the file of others in")
    _refused("takes images of three colors, and this one has 9 channels; set env", channels=9)


def test_filters_are_whole_groups():
    """Six channels would be four groups of one, with numbers of other rows of the batch."""
    _refused(r"filters=\(6, 8\) must be multiples of 4", filters=(6, 8), frozen=False)


def test_files_that_do_not_fit_are_one_sentence(tmp_path):
    _refused("weights='.*absent.pkl' cannot be read", tmp_path / "absent.pkl")
    path = tmp_path / "weights.npz"
    np.savez(path, **dict(_flat(_weights())))
    words = r"array conv_init.kernel of the shape \[7, 7, 3, 8\], and it has one of \[7, 7, 3, 4\]"
    _refused(words, path, filters=(8, 8))
    words = "array ResNetBlock_2.Conv_0.kernel of the shape .*, and it has no such array"
    _refused(words, path, filters=(4, 8, 8))


class _Command:
    def __reduce__(self):
        return os.mkdir, ("never",)


@pytest.mark.parametrize("content", [pickle.dumps({"conv_init": _Command()}), b"nothing"])
def test_a_file_cannot_run_code(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pkl"
    path.write_bytes(content)
    _refused("must be a .npz file, or a pickled dict of arrays and nothing else", path)
    assert not (tmp_path / "never").exists()
