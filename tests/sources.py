"""Sources of batches for tests."""

import tensorflow as tf

from sac_tf.replay.reader import rows_of


class Given:
    """A `Source` of the rows that a function f(number) returns; records what it gets back.

    Attributes:
      learned: (rewards, TD errors), both [K, B], of each call of the update.
    """

    def __init__(self, rows):
        self._rows = rows
        self.learned = []

    def sample(self, batches, batch_size):
        return tf.nest.map_structure(
            lambda leaf: tf.reshape(leaf, [batches, batch_size, *leaf.shape[1:]]),
            self._rows(batches * batch_size),
        )

    def update_priorities(self, batches, td_error):
        tf.numpy_function(self._record, [batches.reward, td_error], [])

    def _record(self, *arrays):
        self.learned.append(tuple(array.copy() for array in arrays))


def sample_rows(source, number):
    """Returns `number` rows of a source, leaves [number, ...]."""
    return tf.function(lambda: rows_of(source.sample(number, 1)))()


def update_priorities(source, rows, td_error):
    """Gives the TD errors of rows back to their source."""
    batch = tf.nest.map_structure(lambda leaf: leaf[None], rows)
    tf.function(lambda: source.update_priorities(batch, td_error[None]))()
