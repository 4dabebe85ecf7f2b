"""Pretrained weights: the arrays of a file that another library has written."""

import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sac_tf.errors import ConfigurationError


def read_arrays(setting: str, path: Path) -> dict[str, np.ndarray]:
    """Returns {name: array} of a file, with the keys of nested dicts joined by dots.

    Args:
      setting: that names the file, for messages.
      path: a .npz file whose names have dots or slashes, or a pickled nested dict of arrays of
        NumPy or JAX, such as the weights that SERL publishes. Nothing else is unpickled, so that
        the file cannot run code.

    Raises:
      ConfigurationError: there is no such file, or it holds something else.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return {name.replace("/", "."): file[name] for name in file}
        with path.open("rb") as file:
            return dict(_flat(_ArrayUnpickler(file).load()))
    except OSError as error:
        raise ConfigurationError(
            f"{setting}={str(path)!r} cannot be read ({error.strerror or error})."
        ) from error
    except Exception as error:  # a damaged file raises errors of many kinds
        raise ConfigurationError(
            f"{setting}={str(path)!r} must be a .npz file, or a pickled dict of arrays and nothing "
            f"else ({error})."
        ) from error


def _flat(nest: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(nest, Mapping):
        for key, value in nest.items():
            yield from _flat(value, (*path, str(key)))
    else:
        yield ".".join(path), np.asarray(nest)


def _array_of_jax(rebuild: Callable[..., np.ndarray], arguments: tuple, state: Any, _: Any):
    """Rebuilds an array of JAX as one of NumPy, from what JAX pickles."""
    array = rebuild(*arguments)
    array.__setstate__(state)
    return array


class _ArrayUnpickler(pickle.Unpickler):
    """Reads dicts of arrays, and refuses everything else that a pickle can do."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("jax._src.array", "_reconstruct_array"):
            return _array_of_jax
        is_numpy = module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
        if is_numpy and name in ("ndarray", "dtype", "_reconstruct"):
            return super().find_class(module.replace("_core", "core"), name)
        raise pickle.UnpicklingError(f"it holds {module}.{name}")
