"""Leaves: the arrays of a task's observation and action, their names, and the nests they form."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

Nest = Any
"""An array or tensor, or nested dicts and tuples of them."""

SEED = "seed"
"""Name of the input that an exported policy's `sample` signature takes besides the observation."""

_IMAGE_RANK = 3


class ObservationLeaf(NamedTuple):
    """One array of the observation of a task, as the task returns it.

    Attributes:
      name: an identifier, different for each leaf: the keys of the path joined with "_", or
        "observation".
      path: keys of dicts and positions in tuples that lead to the array; empty if the observation
        is the array itself.
      shape: of the task's array.
      dtype: float32 for floats of any size, else that of the task's array.
      categories: numbers of categories of an array of categories (Discrete, MultiDiscrete), in the
        order of its flattened elements; empty for an array of numbers.
      start: the first category of each element, as many as `categories`.
      frames: how many of the newest frames the array holds, oldest first, joined along its last
        axis (`environment.frame_stack`).
    """

    name: str
    path: tuple[str | int, ...]
    shape: tuple[int, ...]
    dtype: str
    categories: tuple[int, ...] = ()
    start: tuple[int, ...] = ()
    frames: int = 1

    @property
    def encoded_shape(self) -> tuple[int, ...]:
        """The shape for the networks, which take categories one-hot, one after the other."""
        return (sum(self.categories),) if self.categories else self.shape

    @property
    def is_image(self) -> bool:
        """Whether it is an image of bytes, [height, width, channels]."""
        return self.dtype == "uint8" and len(self.shape) == _IMAGE_RANK and not self.categories

    @property
    def encoded_dtype(self) -> str:
        """The dtype for the networks: images stay bytes, all else is float32."""
        return "uint8" if self.is_image else "float32"

    def __str__(self) -> str:
        kind = f" categories {list(self.categories)}" if self.categories else ""
        return f"{self.name} {self.dtype} {list(self.shape)}{kind}"


class ActionLeaf(NamedTuple):
    """One array of the action of a task.

    Attributes:
      name: an identifier, different for each leaf: "action", or "action_" and the keys of the path.
      path: keys of dicts and positions in tuples that lead to the array; empty if the action is
        the array itself.
      shape: of the task's array.
      dtype: of the task's array.
      low, high: the task's bounds of the flattened elements.
    """

    name: str
    path: tuple[str | int, ...]
    shape: tuple[int, ...]
    dtype: str
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __str__(self) -> str:
        low, high = (f"[{', '.join(f'{x:g}' for x in bound)}]" for bound in (self.low, self.high))
        return f"{self.name} {self.dtype} {list(self.shape)} from {low} to {high}"


def observation_names(paths: Iterable[Sequence[str | int]]) -> list[str]:
    """Returns a different identifier for the array of an observation at each path: Keras,
    SavedModel signatures, TFLite and keyword arguments all keep such names unchanged."""
    names: list[str] = []
    for path in paths:
        name = _identifier(path) or "observation"
        # Keras takes no other first letter. The critic's other input is the action.
        if not name[0].isalpha() or name == "action":
            name = f"key_{name}"
        while name in (SEED, *names):
            name += "_"
        names.append(name)
    return names


def action_names(paths: Iterable[Sequence[str | int]]) -> list[str]:
    """Returns a different identifier for the array of an action at each path."""
    names: list[str] = []
    for path in paths:
        name = "_".join(["action", _identifier(path)]) if path else "action"
        while name in names:
            name += "_"
        names.append(name)
    return names


def nest_of(paths: Sequence[tuple[str | int, ...]], values: Sequence[Any]) -> Nest:
    """Returns the nest that holds each value at its path: dicts by key, tuples by position."""
    if list(paths) == [()]:
        return values[0]
    groups: dict[str | int, tuple[list[tuple[str | int, ...]], list[Any]]] = {}
    for (first, *rest), value in zip(paths, values, strict=True):
        inner_paths, inner_values = groups.setdefault(first, ([], []))
        inner_paths.append(tuple(rest))
        inner_values.append(value)
    nests = {key: nest_of(*group) for key, group in groups.items()}
    if all(isinstance(key, int) for key in nests):
        return tuple(nests[key] for key in sorted(nests))
    return nests


def pick(nest: Nest, path: Sequence[str | int]) -> Any:
    """Returns the value at `path`; raises KeyError, IndexError or TypeError if there is none."""
    for key in path:
        nest = nest[key]
    return nest


def _identifier(path: Sequence[str | int]) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", "_".join(map(str, path)))
