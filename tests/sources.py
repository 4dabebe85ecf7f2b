"""Sources of batches for tests."""

import tensorflow as tf

from sac_tf.replay.reader import batches_of, rows_of
from sac_tf.types import Transition


class Given:
    """A `Source` of the rows that a function f(number) returns; records what it gets back.

    Attributes:
      learned: (rewards, TD errors), both [K, B], of each call of the update.
    """

    def __init__(self, rows):
        self._rows = rows
        self.learned = []

    def sample(self, batches, batch_size):
        return batches_of(self._rows(batches * batch_size), batches, batch_size)

    def update_priorities(self, batches, td_error):
        tf.numpy_function(self._record, [batches.reward, td_error], [])

    def _record(self, *arrays):
        self.learned.append(tuple(array.copy() for array in arrays))


def numbered_source(first, **extras):
    """Returns a source of rows whose rewards count up from `first` in each call."""

    def rows(number):
        reward = first + tf.range(number, dtype=tf.float32)
        given = {name: tf.fill([number], value) for name, value in extras.items()}
        return Transition(reward[:, None], reward[:, None], reward, reward, reward[:, None], given)

    return Given(rows)


def row_sampler(source, number):
    """Returns a function that gives `number` rows of a source in each call, leaves [number, ...];
    compiled once, so a sampler of Reverb may have fetched rows ahead."""
    return tf.function(lambda: rows_of(source.sample(number, 1)), autograph=False)


def sample_rows(source, number):
    """Returns `number` rows of a source, as it is now."""
    return row_sampler(source, number)()


def update_priorities(source, rows, td_error):
    """Gives the TD errors of rows back to their source."""
    batch = tf.nest.map_structure(lambda leaf: leaf[None], rows)
    tf.function(lambda: source.update_priorities(batch, td_error[None]), autograph=False)()
