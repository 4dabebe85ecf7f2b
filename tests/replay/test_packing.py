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


def test_what_is_packed_comes_back(nested_spec):
    packer, transition = RowPacker(nested_spec), _transition(nested_spec, 6)
    rows = packer.pack(transition)
    assert rows.shape == (6, packer.width) == (6, 7 + 1 + 1 + 1 + 7) and rows.dtype == np.float32
    back = packer.unpack(tf.constant(rows))
    assert isinstance(back, Transition)
    tree.map_structure(
        np.testing.assert_array_equal, tree.map_structure(np.asarray, back), transition
    )


def test_columns_say_where_each_leaf_lies(nested_spec):
    packer, transition = RowPacker(nested_spec), _transition(nested_spec, 6)
    rows = packer.pack(transition)
    pieces = tree.map_structure(
        lambda column, leaf: rows[:, column].reshape(leaf.shape), packer.columns, transition
    )
    tree.map_structure(np.testing.assert_array_equal, pieces, transition)


def test_a_value_that_is_not_finite_is_named(nested_spec):
    packer, transition = RowPacker(nested_spec), _transition(nested_spec, 3)
    packer.check_finite(packer.pack(transition), step=1)
    transition.next_observation["hand"]["grid"][1, 0, 1] = np.nan
    with pytest.raises(RunError, match=r"gave nan in next_observation/hand/grid at step 17"):
        packer.check_finite(packer.pack(transition), step=17)
    transition.reward[0] = -np.inf
    with pytest.raises(RunError, match=r"gave -inf in reward at step 18"):
        packer.check_finite(packer.pack(transition), step=18)
