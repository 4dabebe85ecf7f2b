"""The ring: the newest rows of one stream, in TensorFlow's memory, and the complete windows in
it."""

from collections.abc import Mapping

import tensorflow as tf

from sac_tf.pinned.kernels import uninitialized
from sac_tf.replay.columns import NUMBERS, Columns
from sac_tf.replay.windows import Windows

_LINK_BYTES = 20
_EPISODE_BYTES = 12


def ring_bytes(windows: Windows) -> int:
    """Returns the bytes of a row."""
    links = _LINK_BYTES if windows.hindsight is None else _LINK_BYTES + _EPISODE_BYTES
    return windows.columns.row_bytes + links


class Ring(tf.Module):
    """Keeps the rows of the newest segments, and draws windows uniformly from them.

    Rows and windows are numbered as they come: row i is at position i modulo the size. A window is
    added when its last row arrives. When a segment is dropped, the oldest windows are dropped, up
    to the last one that has a row in it.
    """

    def __init__(self, windows: Windows, rows: int, segments: int):
        """Begins empty. It takes memory as rows arrive.

        Args:
          windows: of the task.
          rows: for which there is room; as many as the segments can have.
          segments: that are kept.
        """
        super().__init__()
        self._windows = windows
        self._size = rows
        self._segments = segments
        with tf.device("CPU:0"):  # a full replay is larger than the memory of most GPUs
            self._columns = {
                dtype: _vector([rows, width], dtype)
                for dtype, width in windows.columns.widths.items()
            }
            # By how many rows the step before is older, and the step after newer; 0 if there is
            # none.
            self._back = _vector([rows], "int32")
            self._ahead = _vector([rows], "int32")
            # Position of the first step of each window, by the window's number.
            self._starts = _vector([rows], "int32")
            # 1 + number of the last window that has this row as its oldest; 0 if none has.
            self._oldest_of = _vector([rows], "int64")
            self._segment_rows = tf.Variable(tf.zeros([segments], tf.int64), trainable=False)
            self._episodes = None if windows.hindsight is None else _Episodes(windows, rows)
            self._segment = _count()
            self._row = _count()
            self._oldest_row = _count()
            self._window = _count()
            self._oldest_window = _count()

    @property
    def rows_received(self) -> int:
        """Rows ever received."""
        return int(self._row)

    @property
    def rows_kept(self) -> int:
        """Rows in it."""
        return int(self._row - self._oldest_row)

    @property
    def size(self) -> int:
        """Windows in it."""
        return int(self._window - self._oldest_window)

    def receive(
        self,
        rows: Columns,
        back: tf.Tensor,
        age: tf.Tensor,
        segment: tf.Tensor,
        starts: tf.Tensor | None = None,
    ) -> None:
        """Adds rows of one segment; called inside a `tf.function`.

        Args:
          rows: {dtype: tensor [R, width]}.
          back, age: int32 [R], as in `Links`.
          segment: int64, number of the segment, the present one or the next.
          starts: bool [R], the rows with which windows may start, if these are rows of whole
            episodes; None: all.
        """
        number = tf.shape(back, tf.int64)[0]
        self._drop_segment(segment, number)
        new = self._row + tf.range(number)
        positions = new % self._size
        for dtype, column in self._columns.items():
            _put(column, positions, rows[dtype])
        _put(self._back, positions, back)
        _put(self._ahead, positions, tf.zeros_like(back))
        _put(self._oldest_of, positions, tf.zeros_like(new))
        self._link(new, tf.cast(back, tf.int64))
        if self._episodes is not None:
            self._episodes.receive(positions, age)
        is_final = rows[NUMBERS][:, -1] > 0
        self._add_windows(new, tf.cast(age, tf.int64), is_final, starts)
        self._row.assign_add(number)

    def sample(self, number: int, generator: tf.random.Generator) -> Mapping[str, tf.Tensor]:
        """Returns {dtype: tensor [number, K, width]}, windows drawn with replacement; with
        hindsight [number, K + 1, width], the last of which gives the goal. Called inside a
        `tf.function`."""
        size = self._window - self._oldest_window
        drawn = generator.uniform([number], maxval=size, dtype=tf.int64)
        start = tf.gather(self._starts, (self._oldest_window + drawn) % self._size)
        positions = [start]
        for _ in range(self._windows.steps_before):
            positions.insert(0, self._move(positions[0], -tf.gather(self._back, positions[0])))
        for _ in range(self._windows.n):
            positions.append(self._move(positions[-1], tf.gather(self._ahead, positions[-1])))
        if self._episodes is not None:
            older = tf.cast(start - tf.cast(self._oldest_row % self._size, tf.int32), tf.int32)
            ahead = self._episodes.draw(start, older % self._size, generator)
            positions.append(self._move(start, ahead))
        steps = tf.stack(positions, axis=1)
        return {dtype: tf.gather(column, steps) for dtype, column in self._columns.items()}

    def _move(self, positions: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        return (positions + rows) % self._size

    def _drop_segment(self, segment: tf.Tensor, number: tf.Tensor) -> None:
        """Makes room for `number` rows of a segment, and counts them."""
        slot = segment % self._segments
        is_present = tf.equal(segment, self._segment)
        before = tf.gather(self._segment_rows, slot)
        dropped = tf.where(is_present, tf.zeros_like(before), before)
        gone = self._oldest_row + tf.range(dropped)
        last = tf.reduce_max(tf.gather(self._oldest_of, gone % self._size))
        self._oldest_window.assign(tf.maximum(self._oldest_window, last))
        self._oldest_row.assign_add(dropped)
        self._segment_rows.scatter_nd_update([[slot]], [before - dropped + number])
        self._segment.assign(segment)

    def _link(self, new: tf.Tensor, back: tf.Tensor) -> None:
        """Links the step before each new row to it."""
        follows = (back > 0) & (new - back >= self._oldest_row)
        ahead = tf.boolean_mask(back, follows)
        before = tf.boolean_mask(new, follows) - ahead
        _put(self._ahead, before % self._size, tf.cast(ahead, tf.int32))

    def _add_windows(
        self, new: tf.Tensor, age: tf.Tensor, is_final: tf.Tensor, may_start: tf.Tensor | None
    ) -> None:
        """Adds the windows that new rows complete, the longest of each row first."""
        n = self._windows.n
        steps_before = self._windows.steps_before
        chain = self._chain(new, age, n + steps_before)
        lengths = tf.range(n, 0, -1, dtype=tf.int64)
        is_complete = (lengths <= age[:, None]) & (is_final[:, None] | (lengths == n))
        first = chain[:, n:0:-1]
        if may_start is not None:
            is_complete &= tf.gather(may_start, tf.maximum(first - new[0], 0))
        starts = tf.boolean_mask(first, is_complete)
        reach = tf.minimum(age[:, None], lengths + steps_before)
        oldest = tf.boolean_mask(tf.gather(chain, reach, axis=1, batch_dims=1), is_complete)
        numbers = self._window + tf.range(tf.shape(starts, tf.int64)[0])
        _put(self._starts, numbers % self._size, tf.cast(starts % self._size, tf.int32))
        is_whole = oldest >= self._oldest_row
        broken = tf.boolean_mask(numbers, ~is_whole)
        last = tf.reduce_max(tf.concat([[self._oldest_window], broken + 1], 0))
        self._oldest_window.assign(last)
        whole = tf.boolean_mask(numbers, is_whole) + 1
        places = tf.boolean_mask(oldest, is_whole) % self._size
        self._oldest_of.scatter_max(tf.IndexedSlices(whole, places))
        self._window.assign_add(tf.shape(numbers, tf.int64)[0])

    def _chain(self, new: tf.Tensor, age: tf.Tensor, length: int) -> tf.Tensor:
        """Returns the rows up to `length` steps before each new one, int64 [R, length + 1], newest
        first; -1 where the step was dropped or the episode has none."""
        rows = [new]
        for step in range(length):
            row = rows[-1]
            back = tf.cast(tf.gather(self._back, row % self._size), tf.int64)
            is_there = (row >= self._oldest_row) & (row - back >= self._oldest_row)
            rows.append(tf.where(is_there & (step < age), row - back, -tf.ones_like(row)))
        return tf.stack(rows, axis=1)


class _Episodes(tf.Module):
    """Which steps the episodes in a ring have, whose rows follow one another."""

    def __init__(self, windows: Windows, rows: int):
        """Takes the windows, and the rows of the ring."""
        super().__init__()
        assert windows.hindsight is not None
        self._hindsight = windows.hindsight
        self._size = rows
        self._step = _vector([rows], "int32")
        # Number of the episode of each row, and the newest step of each episode, by its number
        # modulo the size.
        self._episode = _vector([rows], "int32")
        self._last = _vector([rows], "int32")
        self._number = _count()

    def receive(self, positions: tf.Tensor, age: tf.Tensor) -> None:
        """Adds rows at `positions`, with their `Links.age`."""
        is_first = age == 0
        numbers = self._number + tf.cumsum(tf.cast(is_first, tf.int64))
        episodes = numbers % self._size
        _put(self._step, positions, age)
        _put(self._episode, positions, tf.cast(episodes, tf.int32))
        is_newest = tf.concat([is_first[1:], [True]], 0)
        _put(self._last, episodes[is_newest], age[is_newest])
        self._number.assign(numbers[-1])

    def draw(
        self, positions: tf.Tensor, older: tf.Tensor, generator: tf.random.Generator
    ) -> tf.Tensor:
        """Draws a step that gives a goal to each of some steps.

        Args:
          positions: int32 [B] of these steps.
          older: int32 [B], how many rows before each one the ring has.
          generator: of the draws.

        Returns: int32 [B], by how many rows it is newer, or older if that is negative.
        """
        step = tf.gather(self._step, positions)
        last = tf.gather(self._last, tf.gather(self._episode, positions))
        first = tf.maximum(self._hindsight.first(step, last), step - older)
        choices = tf.cast(last - first + 1, tf.float32)
        drawn = tf.cast(generator.uniform(tf.shape(step)) * choices, tf.int32)
        return tf.minimum(first + drawn, last) - step


def _vector(shape: list[int], dtype: str) -> tf.Variable:
    return tf.Variable(uninitialized(shape, dtype), trainable=False)


def _count() -> tf.Variable:
    return tf.Variable(0, dtype=tf.int64, trainable=False)


def _put(variable: tf.Variable, positions: tf.Tensor, values: tf.Tensor) -> None:
    variable.scatter_update(tf.IndexedSlices(values, positions))
