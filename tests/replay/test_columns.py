"""Columns: there and back, bytes and frames, and values that are not finite."""

import numpy as np
import pytest
import tensorflow as tf
import tree

from sac_tf.errors import RunError
from sac_tf.leaves import ActionLeaf, ObservationLeaf
from sac_tf.replay.columns import ColumnPacker
from sac_tf.types import EnvironmentSpec

CAMERA = EnvironmentSpec(
    (
        ObservationLeaf("camera", ("camera",), (4, 5, 6), "uint8", frames=2),
        ObservationLeaf("grasped", ("grasped",), (), "uint8", categories=(2,), start=(0,)),
        ObservationLeaf("joints", ("joints",), (3,), "float32"),
    ),
    (ActionLeaf("action", (), (2,), "float32", (-1.0, -1.0), (1.0, 1.0)),),
)
"""A stack of two images with three channels each, one of two categories, and three numbers."""


def _transition(spec, rows):
    generator = np.random.default_rng(0)
    return tree.map_structure(
        lambda leaf: generator.integers(0, 256, (rows, *leaf.shape)).astype(np.float32),
        spec.transition,
    )


def test_unpack_returns_what_was_packed(nested_spec):
    packer = ColumnPacker(nested_spec)
    transition = _transition(nested_spec, 6)
    rows = packer.pack(transition)
    assert packer.widths == {"float32": 7 + 1 + 3} and packer.row_bytes == 44
    steps = packer.unpack({dtype: tf.constant(array)[:, None] for dtype, array in rows.items()})
    for field in ("observation", "action", "reward", "discount"):
        tree.map_structure(
            lambda step, given: np.testing.assert_array_equal(np.asarray(step)[:, 0], given),
            getattr(steps, field),
            getattr(transition, field),
        )
    np.testing.assert_array_equal(steps.is_final, 0)


def test_images_stay_bytes_and_only_the_newest_frame_is_stored():
    packer = ColumnPacker(CAMERA)
    transition = _transition(CAMERA, 6)
    assert packer.widths == {"uint8": 60, "float32": 2 + 3 + 2 + 3}
    assert packer.row_bytes == 60 + 40
    rows = packer.pack(transition)
    assert {dtype: array.dtype.name for dtype, array in rows.items()} == {
        "uint8": "uint8",
        "float32": "float32",
    }
    steps = packer.unpack({dtype: tf.constant(array)[:, None] for dtype, array in rows.items()})
    camera = steps.observation["camera"]
    assert camera.dtype == tf.uint8 and camera.shape == (6, 1, 4, 5, 3)
    np.testing.assert_array_equal(camera[:, 0], transition.observation["camera"][..., 3:])
    np.testing.assert_array_equal(
        steps.observation["joints"][:, 0], transition.observation["joints"]
    )


def test_a_final_observation_has_no_other_numbers(nested_spec):
    packer = ColumnPacker(nested_spec)
    observation = _transition(nested_spec, 2).observation
    rows = packer.pack_final(observation)
    steps = packer.unpack({dtype: tf.constant(array)[:, None] for dtype, array in rows.items()})
    np.testing.assert_array_equal(
        steps.observation["hand"]["grid"][:, 0], observation["hand"]["grid"]
    )
    for numbers in (steps.action, steps.reward, steps.discount):
        np.testing.assert_array_equal(numbers, 0)
    np.testing.assert_array_equal(steps.is_final, 1)


def test_the_error_names_a_value_that_is_not_finite(nested_spec):
    packer = ColumnPacker(nested_spec)
    transition = _transition(nested_spec, 3)
    packer.check_finite(packer.pack(transition), transition, step=1)
    transition.next_observation["hand"]["grid"][1, 0, 1] = np.nan
    with pytest.raises(RunError, match=r"gave nan in next_observation/hand/grid at step 17"):
        packer.check_finite(packer.pack(transition), transition, step=17)
    transition.reward[0] = -np.inf
    with pytest.raises(RunError, match=r"gave -inf in reward at step 18"):
        packer.check_finite(packer.pack(transition), transition, step=18)
