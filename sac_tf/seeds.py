"""Seeds: independent streams of random numbers from one seed, in NumPy and in TensorFlow."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from sac_tf import devices

TRAINING = 0
EVALUATION = 1
EXPLORATION = 2
"""Streams of random numbers of a run: training environments, evaluation environments, random
actions."""


def independent_seeds(seed: int, number: int) -> list[int]:
    """Returns `number` seeds that are independent of each other and determined by `seed`."""
    return [int(word) for word in np.random.SeedSequence(seed).generate_state(number)]


def initializer_seeds(seed: int) -> Iterator[int]:
    """Yields independent seeds for the layers of a network, without end, determined by `seed`."""
    generator = np.random.default_rng(seed)
    while True:
        yield int(generator.integers(2**31))


def seed_at_step(seed: int, stream: int, step: int) -> int:
    """Returns the seed of a stream at an environment step, the same in a resumed run.

    Args:
      seed: of the run.
      stream: number of the stream; streams are independent of each other.
      step: environment step.
    """
    sequence = np.random.SeedSequence([seed, stream, step])
    return int(sequence.generate_state(1)[0] >> 1)


def draw_seed(generator: tf.random.Generator) -> tf.Tensor:
    """Draws a stateless seed, int32 [2], from a stateful generator."""
    return devices.once(lambda: generator.uniform_full_int([2], tf.int32))
