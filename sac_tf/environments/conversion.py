"""Conversion between the arrays of a task and those of the library, with checks at the border.

Observations become float32 with categories one-hot, and images stay uint8; actions [-1, 1] become
the task's own structure, bounds and dtypes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tree

from sac_tf.errors import RunError
from sac_tf.leaves import ActionLeaf, Nest, ObservationLeaf, nest_of, pick


class ObservationReader:
    """Reads what the environments of a task return."""

    def __init__(self, title: str, leaves: Sequence[ObservationLeaf], encode: bool):
        """Takes the title of the task for messages, its leaves, and whether categories are encoded
        one-hot or stay numbers."""
        self._title = title
        self._leaves = leaves
        self._encode = encode
        self._structure = nest_of([leaf.path for leaf in leaves], list(range(len(leaves))))
        self._is_array = not tree.is_nested(self._structure)

    def read(self, observation: Any) -> Nest:
        """Returns an observation as a nest of arrays that the environment's next call cannot
        change: float32 if categories are encoded, else with the dtypes of the leaves.

        Raises:
          RunError: an array is missing, has another shape, or does not hold numbers.
        """
        if self._is_array:  # the common case, without walking a nest
            return self._read_leaf(self._leaves[0], observation)
        arrays = []
        for leaf in self._leaves:
            try:
                value = pick(observation, leaf.path)
            except (KeyError, IndexError, TypeError) as error:
                where = "/".join(map(str, leaf.path))
                raise RunError(
                    f"{self._title} returned an observation without {where!r}, which its "
                    "observation_space has."
                ) from error
            arrays.append(self._read_leaf(leaf, value))
        return tree.unflatten_as(self._structure, arrays)

    def check_structure(self, observation: Any) -> None:
        """Raises RunError if a dict or tuple has more entries than the space."""
        if not self._is_array:
            self._check_level(self._structure, observation, ())

    def _check_level(self, wanted: Nest, given: Any, path: tuple[str, ...]) -> None:
        if not tree.is_nested(wanted):
            return
        inner = _entries(wanted)
        unknown = [key for key in _entries(given) if key not in inner]
        if unknown:
            where = "/".join([*path, str(unknown[0])])
            raise RunError(
                f"{self._title} returned an observation with {where!r}, which its "
                "observation_space does not have."
            )
        for key, sub in inner.items():
            self._check_level(sub, pick(given, [key]), (*path, str(key)))

    def _read_leaf(self, leaf: ObservationLeaf, value: Any) -> np.ndarray:
        try:
            array = np.array(value, leaf.encoded_dtype if self._encode else leaf.dtype)
        except (TypeError, ValueError) as error:
            raise RunError(
                f"{self._title} returned {short(value)} as {leaf.name}, where numbers of "
                f"the shape {list(leaf.shape)} are needed."
            ) from error
        if array.shape != leaf.shape:
            raise RunError(
                f"{self._title} returned {leaf.name} with the shape {list(array.shape)}; its "
                f"observation_space says {list(leaf.shape)}."
            )
        if leaf.categories and self._encode:
            return self._one_hot(leaf, array)
        if leaf.is_image:
            self._require_bytes(leaf, value, array)
        return array

    def _require_bytes(self, leaf: ObservationLeaf, value: Any, image: np.ndarray) -> None:
        """Raises RunError if an image has floats, which may end at 1, or if its conversion to uint8
        has changed it."""
        given = np.asarray(value)
        is_float = np.issubdtype(given.dtype, np.floating)
        if given.dtype != np.uint8 and (is_float or not np.array_equal(given, image)):
            raise RunError(
                f"{self._title} returned {leaf.name} with {given.dtype} numbers from "
                f"{given.min():g} to {given.max():g}, and its observation_space says uint8; return "
                "integers from 0 to 255."
            )

    def _one_hot(self, leaf: ObservationLeaf, array: np.ndarray) -> np.ndarray:
        """Returns float32 [sum of `leaf.categories`] of an array of categories."""
        try:
            return one_hot(leaf, array[np.newaxis])[0]
        except ValueError as error:
            raise RunError(f"{self._title} returned {error}.") from error


def one_hot(leaf: ObservationLeaf, arrays: np.ndarray) -> np.ndarray:
    """Returns float32 [T, sum of `leaf.categories`] of T arrays of categories, [T, *leaf.shape];
    raises ValueError if one is outside of its space."""
    categories = arrays.reshape(len(arrays), -1).astype(int) - leaf.start
    is_wrong = np.any((categories < 0) | (categories >= leaf.categories), axis=1)
    if np.any(is_wrong):
        wrong = arrays[np.argmax(is_wrong)].astype(int).tolist()
        raise ValueError(
            f"{leaf.name} = {wrong}, outside of its space: {list(leaf.categories)} categories from "
            f"{list(leaf.start)} on"
        )
    encoded = np.zeros((len(arrays), *leaf.encoded_shape), np.float32)
    offsets = np.cumsum([0, *leaf.categories[:-1]])
    np.put_along_axis(encoded, offsets + categories, 1, axis=1)
    return encoded


def categories(leaf: ObservationLeaf, encoded: np.ndarray) -> np.ndarray:
    """Returns the T arrays of categories [T, *leaf.shape] whose `one_hot` is `encoded`."""
    parts = np.split(encoded, np.cumsum(leaf.categories)[:-1], axis=1)
    numbers = np.stack([part.argmax(axis=1) for part in parts], axis=1) + leaf.start
    return numbers.reshape(len(encoded), *leaf.shape).astype(leaf.dtype)


class ActionWriter:
    """Converts actions in [-1, 1] to those of a task, and back."""

    def __init__(self, leaves: Sequence[ActionLeaf]):
        self._paths = [leaf.path for leaf in leaves]
        self._parts = [_ActionPart(leaf) for leaf in leaves]
        self._ends = np.cumsum([len(leaf.low) for leaf in leaves])[:-1]

    def write(self, actions: np.ndarray) -> list[Any]:
        """Returns E actions in the task's own structure from [E, A] in [-1, 1]."""
        pieces = np.split(actions, self._ends, axis=1) if len(self._parts) > 1 else [actions]
        arrays = [part.scale(piece) for part, piece in zip(self._parts, pieces, strict=True)]
        return self._for_each(arrays, len(actions))

    def split(self, actions: Nest) -> list[Any]:
        """Returns E actions from a nest of [E, ...] within the task's bounds, cast and clipped to
        the task's dtypes and bounds."""
        arrays = [
            part.clip(np.asarray(pick(actions, path)))
            for part, path in zip(self._parts, self._paths, strict=True)
        ]
        return self._for_each(arrays, len(arrays[0]))

    def read(self, actions: Nest) -> np.ndarray:
        """Returns float32 [E, A] in [-1, 1] of a nest of [E, ...] in the task's units; what is
        outside of the bounds is clipped."""
        pieces = [
            part.unscale(np.asarray(pick(actions, path)))
            for part, path in zip(self._parts, self._paths, strict=True)
        ]
        return np.concatenate(pieces, axis=1)

    def _for_each(self, arrays: Sequence[np.ndarray], size: int) -> list[Any]:
        # The ellipsis keeps an action of the shape [] an array.
        return [nest_of(self._paths, [array[i, ...] for array in arrays]) for i in range(size)]


def one_action(source: str, action: Any, leaves: Sequence[ActionLeaf]) -> Nest:
    """Returns an action in the task's own structure as that of one environment, nest of [1, ...].

    Args:
      source: words for a message, before the action.
      action: of somebody's code.
      leaves: of the task's action.

    Raises:
      RunError: it is not an action of the task.
    """
    arrays = []
    for leaf in leaves:
        try:
            array = np.asarray(pick(action, leaf.path), leaf.dtype)
        except (LookupError, TypeError, ValueError):
            array = np.empty(0)
        if array.shape != leaf.shape:
            raise RunError(f"{source} {short(action)}, which is not an action of the task: {leaf}.")
        arrays.append(array[np.newaxis])
    return nest_of([leaf.path for leaf in leaves], arrays)


class _ActionPart:
    """One array of an action."""

    def __init__(self, leaf: ActionLeaf):
        self._shape = leaf.shape
        self._low = np.array(leaf.low, leaf.dtype).reshape(leaf.shape)
        self._high = np.array(leaf.high, leaf.dtype).reshape(leaf.shape)
        self._center = (self._high + self._low) / 2
        self._half_range = (self._high - self._low) / 2

    def scale(self, actions: np.ndarray) -> np.ndarray:
        """Returns [E, *shape] within the bounds from [E, elements] in [-1, 1]."""
        return self.clip(self._center + self._half_range * actions.reshape(-1, *self._shape))

    def unscale(self, actions: np.ndarray) -> np.ndarray:
        """Returns float32 [E, elements] in [-1, 1] from [E, *shape] within the bounds."""
        centered = actions - self._center
        is_free = np.broadcast_to(self._half_range > 0, centered.shape)
        scaled = np.divide(centered, self._half_range, np.zeros_like(centered), where=is_free)
        return np.clip(scaled, -1, 1).reshape(len(actions), -1).astype(np.float32)

    def clip(self, actions: np.ndarray) -> np.ndarray:
        """Returns actions [E, *shape] within the bounds: rounding can put the end of an uneven
        range outside of them."""
        return np.clip(actions, self._low, self._high).astype(self._low.dtype)


def _entries(nest: Any) -> dict[Any, Any]:
    """Returns the entries of a dict by key, and those of a tuple or list by position."""
    if isinstance(nest, Mapping):
        return {**nest}
    return dict(enumerate(nest)) if isinstance(nest, tuple | list) else {}


def short(value: Any) -> str:
    """Returns a value as text for a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
