"""Columns: stored steps, packed into one array per dtype.

Reverb takes a third of the time for one array that it takes for an array per field.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tree

from sac_tf.errors import RunError
from sac_tf.leaves import ObservationLeaf
from sac_tf.types import EnvironmentSpec, Nest, Transition

NUMBERS = "float32"
"""The column that every task has. Its last number is 1 in a final observation, else 0."""

Columns = Mapping[str, Any]
"""{dtype: rows [R, width]}."""

_SCALARS = 3
"""Reward, discount, and whether it is a final observation."""


def part(rows: Columns, start: int, end: int) -> dict[str, Any]:
    """Returns the rows from `start` to `end` - 1."""
    return {name: array[start:end] for name, array in rows.items()}


class StoredSteps(NamedTuple):
    """Steps as the replay holds them. The final observation of an episode is a step of its own,
    whose action, reward and discount are 0.

    Attributes:
      observation: nest of [B, K, *shape], in the dtypes of the columns; of a stack of frames, only
        the newest.
      action: float32 [B, K, A].
      reward, discount: float32 [B, K], as in `Transition`.
      is_final: float32 [B, K], 1 in a final observation, else 0.
      return_to_go: float32 [B, K], or None if it is not stored.
    """

    observation: Nest
    action: Any
    reward: Any
    discount: Any
    is_final: Any
    return_to_go: Any = None


class Trajectory(NamedTuple):
    """An episode of T steps, as a data set has it.

    Attributes:
      observation: nest of [T + 1, *shape], the final one last; of a stack of frames either the
        stacks or only the newest of each.
      action: float32 [T, A] in [-1, 1].
      reward, discount: float32 [T], as in `Transition`.
    """

    observation: Nest
    action: np.ndarray
    reward: np.ndarray
    discount: np.ndarray


class ColumnPacker:
    """Packs the steps of one task into columns, and unpacks them.

    Bytes (uint8), such as images, stay bytes; all other numbers are float32.

    Attributes:
      widths: {dtype: numbers in a row}.
    """

    def __init__(self, spec: EnvironmentSpec, with_return_to_go: bool = False):
        """Takes the spec of the task, and whether rows have a return-to-go."""
        self._structure = spec.observation
        self._leaves = [_StoredLeaf(leaf) for leaf in spec.observation_leaves]
        self._actions = spec.action_dimensions
        widths = {NUMBERS: 0}
        for leaf in self._leaves:
            start = widths.setdefault(leaf.dtype, 0)
            leaf.columns = slice(start, start + leaf.size)
            widths[leaf.dtype] = leaf.columns.stop
        self._has_return = with_return_to_go
        widths[NUMBERS] += self._has_return + self._actions + _SCALARS
        self.widths = widths

    @property
    def row_bytes(self) -> int:
        """Bytes of a step."""
        return sum(np.dtype(dtype).itemsize * width for dtype, width in self.widths.items())

    def pack(self, transition: Transition) -> dict[str, np.ndarray]:
        """Returns rows [E, width] with the steps that begin transitions, NumPy leaves [E, ...]."""
        rows = self._observations(transition.observation, len(transition.reward))
        numbers = rows[NUMBERS]
        numbers[:, -_SCALARS - self._actions : -_SCALARS] = transition.action
        numbers[:, -3] = transition.reward
        numbers[:, -2] = transition.discount
        return rows

    def pack_final(self, observation: Nest) -> dict[str, np.ndarray]:
        """Returns rows [E, width] with final observations, nest of NumPy [E, ...]."""
        rows = self._observations(observation, len(tree.flatten(observation)[0]))
        rows[NUMBERS][:, -1] = 1
        return rows

    def pack_episode(self, episode: Trajectory, discount: float) -> dict[str, np.ndarray]:
        """Returns the rows [T + 1, width] of a whole episode, with the returns-to-go of `discount`
        if rows have them."""
        before = tree.map_structure(lambda leaf: leaf[:-1], episode.observation)
        final = tree.map_structure(lambda leaf: leaf[-1:], episode.observation)
        steps = self.pack(
            Transition(before, episode.action, episode.reward, episode.discount, None)
        )
        last = self.pack_final(final)
        rows = {dtype: np.concatenate([steps[dtype], last[dtype]]) for dtype in steps}
        if self._has_return:
            self.put_returns(rows, discount)
        return rows

    def unpack(self, rows: Columns) -> StoredSteps:
        """Returns the steps in rows, {dtype: tensor [B, K, width]} with a static K."""
        observation = []
        for leaf in self._leaves:
            column = rows[leaf.dtype]
            shape = (-1, column.shape[1], *leaf.shape)
            observation.append(tf.reshape(column[..., leaf.columns], shape))
        numbers = rows[NUMBERS]
        return StoredSteps(
            observation=tree.unflatten_as(self._structure, observation),
            action=numbers[..., -_SCALARS - self._actions : -_SCALARS],
            reward=numbers[..., -3],
            discount=numbers[..., -2],
            is_final=numbers[..., -1],
            return_to_go=numbers[..., -_SCALARS - self._actions - 1] if self._has_return else None,
        )

    def put_returns(self, rows: Columns, discount: float) -> None:
        """Writes the return-to-go G_t = r_t + discount * d_t * G_(t+1) into the rows of a whole
        episode, whose last row is its final observation. That of a truncated episode has only the
        rewards until then."""
        numbers = rows[NUMBERS]
        return_to_go = 0.0
        for step in range(len(numbers) - 2, -1, -1):
            return_to_go = numbers[step, -3] + discount * numbers[step, -2] * return_to_go
            numbers[step, -_SCALARS - self._actions - 1] = return_to_go

    def check_finite(self, rows: Columns, transition: Transition, step: int) -> None:
        """Raises RunError that names the step and the field if a value is NaN or infinite.

        Args:
          rows: of `pack(transition)`.
          transition: NumPy leaves [E, ...].
          step: of the message.
        """
        arrays = [rows[NUMBERS], *tree.flatten(transition.next_observation)]
        if all(np.isfinite(array).all() for array in arrays):
            return
        for field, nest in transition._asdict().items():
            for path, array in tree.flatten_with_path(nest):
                if not np.isfinite(array).all():
                    value = array[~np.isfinite(array)][0]
                    name = "/".join([field, *map(str, path)])
                    raise RunError(
                        f"The environment gave {value} in {name} at step {step}; the step was not "
                        "stored."
                    )

    def _observations(self, observation: Nest, number: int) -> dict[str, np.ndarray]:
        """Returns rows [E, width] with observations, all other numbers 0."""
        rows = {dtype: np.zeros((number, width), dtype) for dtype, width in self.widths.items()}
        for leaf, array in zip(self._leaves, tree.flatten(observation), strict=True):
            rows[leaf.dtype][:, leaf.columns] = leaf.newest_frame(array).reshape(number, -1)
        return rows


class _StoredLeaf:
    """One array of the observation in a row.

    Attributes:
      dtype: of its column.
      shape: of the array, of one frame.
      columns: its place in the column.
    """

    columns: slice

    def __init__(self, leaf: ObservationLeaf):
        is_bytes = leaf.dtype == "uint8" and not leaf.categories
        self.dtype = "uint8" if is_bytes else NUMBERS
        self.shape = leaf.encoded_shape
        self._depth: int | None = None
        if leaf.frames > 1:
            self._depth = self.shape[-1] // leaf.frames
            self.shape = (*self.shape[:-1], self._depth)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def newest_frame(self, stack: np.ndarray) -> np.ndarray:
        """Returns the newest frame of a stack [E, ...]."""
        return stack if self._depth is None else stack[..., -self._depth :]
