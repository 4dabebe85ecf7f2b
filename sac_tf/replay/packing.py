"""Packed rows: a transition as one float32 row, as Reverb stores it.

Writing and reading a row takes Reverb a third of the time that a column per field would take.
"""

import numpy as np
import tensorflow as tf
import tree

from sac_tf.errors import RunError
from sac_tf.types import EnvironmentSpec, Transition, leaves_of


class RowPacker:
    """Packs transitions of one task into rows [B, W] and back."""

    def __init__(self, spec: EnvironmentSpec):
        self._spec = spec.transition
        leaves = leaves_of(self._spec)
        self._names = [leaf.name for leaf in leaves]
        self._shapes = [tuple(leaf.value.shape) for leaf in leaves]
        self._sizes = [int(np.prod(shape)) for shape in self._shapes]

    @property
    def columns(self) -> Transition:
        """The position of each leaf in a row: `Transition` of slices, in their order."""
        ends = np.cumsum(self._sizes).tolist()
        return tree.unflatten_as(self._spec, list(map(slice, [0, *ends], ends)))

    @property
    def width(self) -> int:
        """W, the number of float32 columns of a row."""
        return sum(self._sizes)

    def pack(self, transition: Transition) -> np.ndarray:
        """Returns float32 [B, W] from NumPy leaves [B, ...]."""
        rows = len(transition.reward)
        leaves = tree.flatten(transition)
        return np.concatenate(
            [np.reshape(leaf, (rows, -1)) for leaf in leaves], axis=1, dtype=np.float32
        )

    def unpack(self, rows: tf.Tensor) -> Transition:
        """Returns a `Transition` of tensors [B, ...] from rows [B, W]."""
        pieces = tf.split(rows, self._sizes, axis=1)
        leaves = [
            tf.reshape(p, (-1, *shape)) for p, shape in zip(pieces, self._shapes, strict=True)
        ]
        return tree.unflatten_as(self._spec, leaves)

    def check_finite(self, rows: np.ndarray, step: int) -> None:
        """Raises RunError that names the step and the field if a value of rows [B, W] is NaN or
        infinite."""
        if np.isfinite(rows).all():
            return
        column = int(np.argwhere(~np.isfinite(rows))[0, 1])
        field = int(np.searchsorted(np.cumsum(self._sizes), column, side="right"))
        value = rows[~np.isfinite(rows)][0]
        raise RunError(
            f"The environment gave {value} in {self._names[field]} at step {step}; the row was "
            f"not stored."
        )
