"""Packed rows: there and back, the columns of each leaf, and values that are not finite."""

import numpy as np
import pytest
import tensorflow as tf
import tree

from sac_tf.errors import RunError
from sac_tf.replay.packing import RowPacker
from sac_tf.types import Transition


def _transition(spec, rows):
    generator = np.random.default_rng(0)
    return tree.map_structure(
        lambda leaf: generator.normal(size=(rows, *leaf.shape)).astype(np.float32), spec.transition
    )


def test_unpack_returns_what_was_packed(nested_spec):
    packer = RowPacker(nested_spec)
    transition = _transition(nested_spec, 6)
    rows = packer.pack(transition)
    assert rows.shape == (6, packer.width) == (6, 7 + 1 + 1 + 1 + 7)
    assert rows.dtype == np.float32
    back = packer.unpack(tf.constant(rows))
    assert isinstance(back, Transition)
    tree.map_structure(
        np.testing.assert_array_equal, tree.map_structure(np.asarray, back), transition
    )


def test_columns_are_the_position_of_each_leaf(nested_spec):
    packer = RowPacker(nested_spec)
    transition = _transition(nested_spec, 6)
    rows = packer.pack(transition)
    pieces = tree.map_structure(
        lambda column, leaf: rows[:, column].reshape(leaf.shape), packer.columns, transition
    )
    tree.map_structure(np.testing.assert_array_equal, pieces, transition)


def test_the_error_names_a_value_that_is_not_finite(nested_spec):
    packer = RowPacker(nested_spec)
    transition = _transition(nested_spec, 3)
    packer.check_finite(packer.pack(transition), step=1)
    transition.next_observation["hand"]["grid"][1, 0, 1] = np.nan
    with pytest.raises(RunError, match=r"gave nan in next_observation/hand/grid at step 17"):
        packer.check_finite(packer.pack(transition), step=17)
    transition.reward[0] = -np.inf
    with pytest.raises(RunError, match=r"gave -inf in reward at step 18"):
        packer.check_finite(packer.pack(transition), step=18)
