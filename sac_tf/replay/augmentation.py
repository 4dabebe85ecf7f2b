"""Augmentation: changes of images that do not change what a policy should do."""

import functools

import gin
import tensorflow as tf

from sac_tf import devices
from sac_tf.errors import require_count
from sac_tf.types import NEXT_VIEWS, VIEWS, Nest, Transition


@gin.configurable
def random_shift(
    state: tf.Module,
    batch: Transition,
    pixels: int = 4,
    target_views: int = 1,
    loss_views: int = 1,
) -> Transition:
    """A `Transform` that shifts images by up to `pixels` in each direction, and repeats their edges
    (DrQ, 2004.13649, section 3).

    All frames of a stack, and all cameras, of an observation are shifted alike; an observation and
    its successor are not.

    Args:
      state: its generator draws the shifts.
      batch: with uint8 images [B, H, W, C] in its observations.
      pixels: largest shift, the same in each direction.
      target_views: K, shifts of the next observation over which the target is averaged.
      loss_views: M, shifts of the observation over which the critics' loss is averaged. The actor
        learns from the first; the others are in the extras.

    Raises:
      ConfigurationError: `pixels` is not a number of pixels, or no view is left.
    """
    require_count("random_shift.pixels", pixels, minimum=0)
    require_count("random_shift.target_views", target_views)
    require_count("random_shift.loss_views", loss_views)
    generator = state.generator  # type: ignore[attr-defined]
    shifted = functools.partial(shift_images, generator, pixels)
    first = batch._replace(
        observation=shifted(batch.observation), next_observation=shifted(batch.next_observation)
    )
    extras = dict(batch.extras)
    if loss_views > 1:
        extras[VIEWS] = [shifted(batch.observation) for _ in range(loss_views - 1)]
    if target_views > 1:
        extras[NEXT_VIEWS] = [shifted(batch.next_observation) for _ in range(target_views - 1)]
    return first._replace(extras=extras)


def shift_images(generator: tf.random.Generator, pixels: int, observation: Nest) -> Nest:
    """Returns an observation whose images are shifted, alike in each row."""
    rows = tf.shape(tf.nest.flatten(observation)[0])[0] * devices.replicas()
    drawn = devices.once(lambda: generator.uniform([2, rows], -pixels, pixels + 1, dtype=tf.int32))
    shifts = tf.unstack(devices.own_rows(drawn, axis=1))
    return tf.nest.map_structure(
        lambda array: shift(array, *shifts) if array.dtype == tf.uint8 else array, observation
    )


def shift(images: tf.Tensor, up: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
    """Returns images [B, H, W, C] whose contents are moved by `up` and `left` pixels, int32 [B],
    with repeated edges."""
    moved = tf.gather(images, _positions(images.shape[1], up), axis=1, batch_dims=1)
    return tf.gather(moved, _positions(images.shape[2], left), axis=2, batch_dims=1)


def _positions(size: int, offset: tf.Tensor) -> tf.Tensor:
    """Returns the positions [B, size] to read, moved by `offset` [B] and kept inside."""
    return tf.clip_by_value(tf.range(size)[tf.newaxis] + offset[:, tf.newaxis], 0, size - 1)
