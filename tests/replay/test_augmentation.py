"""Random shifts of images."""

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay.augmentation import random_shift, shift
from sac_tf.types import Transition

B = 2_000


class _State(tf.Module):
    def __init__(self):
        super().__init__()
        self.generator = tf.random.Generator.from_seed(0)


def _padded(image, down, right, pad):
    """The definition: repeat the edges `pad` times, and cut."""
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    height, width, _ = image.shape
    return padded[pad + down : pad + down + height, pad + right : pad + right + width]


def test_a_shift_is_a_cut_of_the_padded_image():
    images = np.random.default_rng(0).integers(0, 256, (81, 6, 7, 2)).astype(np.uint8)
    down, right = (part.ravel() - 4 for part in np.indices((9, 9)))
    shifted = shift(tf.constant(images), *tf.constant([down, right], tf.int32))
    assert shifted.dtype == tf.uint8
    for image, found, *offset in zip(images, shifted.numpy(), down, right, strict=True):
        np.testing.assert_array_equal(found, _padded(image, *offset, pad=4))
        if offset == [0, 0]:
            np.testing.assert_array_equal(found, image)


def _positions(pixels):
    """Shifts images whose numbers are the row and the column of each pixel; returns the transition
    after it, and the shifts [2, B] of observation and successor."""
    grid = np.stack(np.meshgrid(np.arange(20), np.arange(20), indexing="ij"), -1)
    stack = tf.constant(np.tile(np.uint8(grid), (B, 1, 1, 2)))
    observation = {"a": stack, "b": stack, "vector": tf.zeros([B, 3])}
    zero = tf.zeros([B])
    batch = Transition(observation, tf.zeros([B, 1]), zero, zero, observation)
    batch = random_shift(_State(), batch, pixels=pixels)
    return batch, [nest["a"].numpy()[:, 10, 10, :2].T.astype(int) - 10 for nest in batch[::4][:2]]


def test_frames_and_cameras_move_together_and_successors_do_not():
    batch, (shifts, after) = _positions(4)
    for nest in (batch.observation, batch.next_observation):
        np.testing.assert_array_equal(nest["a"], nest["b"])
        np.testing.assert_array_equal(nest["a"][..., :2], nest["a"][..., 2:])
        np.testing.assert_array_equal(nest["vector"], np.zeros([B, 3]))
    assert np.abs(np.corrcoef(np.concatenate([shifts, after]))[:2, 2:]).max() < 0.1


def test_shifts_are_uniform():
    _, drawn = _positions(4)
    for shifts in drawn:
        places, times = np.unique(shifts.T, axis=0, return_counts=True)
        assert len(places) == 81 and times.min() > 5 and times.max() < 60
        assert shifts.min() == -4 and shifts.max() == 4
    _, (none, _) = _positions(0)
    assert not none.any()


@pytest.mark.parametrize("pixels", [-1, 1.5])
def test_shift_that_is_no_number_of_pixels_is_refused(pixels):
    with pytest.raises(ConfigurationError, match="random_shift.pixels must be an integer of at"):
        _positions(pixels)
