"""The step writer: writes the transitions of E environments as linked rows of steps."""

import dataclasses
from collections import deque
from collections.abc import Callable, Collection, Sequence

import numpy as np
import tree

from sac_tf.environments.goals import ACHIEVED, DESIRED
from sac_tf.errors import RunError
from sac_tf.replay.columns import NUMBERS, Columns, part
from sac_tf.replay.streams import BLOCK_ROWS, Links, Stream
from sac_tf.replay.tables import TIMEOUT_S
from sac_tf.replay.windows import Windows
from sac_tf.types import Nest, Transition


def wait_once(attempt: Callable[[float], bool], what: str) -> bool:
    """The `Wait` of one process, where no other process removes rows.

    Raises:
      RunError: the attempt failed for `TIMEOUT_S`.
    """
    if not attempt(TIMEOUT_S):
        raise RunError(
            f"Waited {TIMEOUT_S} s for {what}; in one process use a limiter that never blocks "
            "inserts (tables.rate_limiter = @MinSize)."
        )
    return True


class StepWriter:
    """Writes the steps of E environments to one stream or to several. Each observation is a row;
    the one after the last step of an episode is a row too, without an action.

    Attributes:
      transitions: windows that were ever completed.
    """

    def __init__(self, windows: Windows, num_environments: int, streams: Sequence[Stream]):
        """Begins with new episodes.

        Args:
          windows: of the task.
          num_environments: E.
          streams: to write to.
        """
        self._n = windows.n
        self._columns = windows.columns
        self._with_return_to_go = windows.with_return_to_go
        self._hindsight = windows.hindsight
        self._held: list[list[Columns]] | None = None
        # Hindsight finds the steps of an episode in consecutive rows.
        if windows.with_return_to_go or (windows.hindsight is not None and num_environments > 1):
            self._held = [[] for _ in range(num_environments)]
        self._discount = windows.discount
        self._streams = streams
        self._environments = np.arange(num_environments)
        self._lengths = np.zeros(num_environments, int)
        self._successor: Nest = None
        tracks = [_Track(stream, num_environments) for stream in streams]
        self._linked: _Track | _Turns = tracks[0]
        if len(tracks) > 1:
            self._linked = _Turns(tracks, num_environments, windows)
        self.transitions = 0

    @property
    def rows(self) -> int:
        """Rows ever written to all streams."""
        return sum(stream.rows for stream in self._streams)

    @property
    def unpublished(self) -> int:
        """Rows that no sampler can draw yet."""
        return sum(stream.unpublished for stream in self._streams)

    def add(
        self,
        transition: Transition,
        step: int,
        ended: Collection[int] = (),
        priority: float = 1.0,
    ) -> None:
        """Adds the E transitions of one joint step.

        Args:
          transition: leaves [E, ...].
          step: environment step, for messages.
          ended: environments whose episode ended with it.
          priority: of the windows that it completes.

        Raises:
          ConfigurationError: hindsight would compute other rewards.
          RunError: a value is not finite, and nothing is added; or as `Wait`.
        """
        rows = self._columns.pack(transition)
        self._columns.check_finite(rows, transition, step)
        self._check_reward(transition)
        self._successor = transition.next_observation
        if self._held is None:
            self._linked.append(rows, self._environments, priority)
            self.transitions += int(np.count_nonzero(self._lengths >= self._n))
        else:
            self._hold(rows, self._environments)
        self._lengths += 1
        if ended:
            self._end(np.array(sorted(ended)), priority)

    def add_episode(self, rows: Columns, priority: float = 1.0) -> None:
        """Adds the rows of a whole episode to the first stream, with the final observation last,
        for example those that another replay saved. No environment may be within an episode."""
        age = np.arange(len(rows[NUMBERS]), dtype=np.int32)
        links = Links(back=np.minimum(age, 1), age=age, starts=np.ones(len(age), bool))
        self._streams[0].append(rows, links, priority)
        self.transitions += len(age) - 1

    def end_episodes(self, priority: float = 1.0) -> None:
        """Adds the final observation of each episode that has begun. The next transitions must
        begin episodes."""
        begun = np.flatnonzero(self._lengths)
        if len(begun):
            self._end(begun, priority)

    def publish(self) -> None:
        """Sends all rows, and waits until the servers have them. Raises as `Wait`."""
        for stream in self._streams:
            stream.publish()

    def close(self) -> None:
        for stream in self._streams:
            stream.close()

    def _check_reward(self, transition: Transition) -> None:
        """Checks the rewards of the first transitions, if hindsight will compute others, up to one
        that is not 0: 0 does not show a scale."""
        if self._hindsight is not None:
            reached = transition.next_observation
            self._hindsight.check(transition.reward, reached[ACHIEVED], reached[DESIRED])
            if np.any(transition.reward):
                self._hindsight = None

    def _end(self, environments: np.ndarray, priority: float) -> None:
        observation = tree.map_structure(lambda leaf: leaf[environments], self._successor)
        rows = self._columns.pack_final(observation)
        if self._held is None:
            self._linked.append(rows, environments, priority)
            self.transitions += int(np.minimum(self._lengths[environments], self._n).sum())
        else:
            self._hold(rows, environments)
            self._release(environments, priority)
            self.transitions += int(self._lengths[environments].sum())
        self._linked.end(environments)
        self._lengths[environments] = 0

    def _hold(self, rows: Columns, environments: np.ndarray) -> None:
        """Keeps a row of each of `environments` until its episode has ended."""
        assert self._held is not None
        for number, environment in enumerate(environments):
            row = part(rows, number, number + 1)
            self._held[environment].append(row)

    def _release(self, environments: np.ndarray, priority: float) -> None:
        """Writes the rows of episodes that have ended, with their returns if these are stored."""
        assert self._held is not None
        for environment in environments:
            held = self._held[environment]
            self._held[environment] = []
            episode = {dtype: np.concatenate([row[dtype] for row in held]) for dtype in held[0]}
            if self._with_return_to_go:
                self._columns.put_returns(episode, self._discount)
            for step in range(len(held)):
                row = part(episode, step, step + 1)
                self._linked.append(row, np.array([environment]), priority)


class _Track:
    """Links the rows of E environments in one stream."""

    def __init__(self, stream: Stream, num_environments: int):
        self._stream = stream
        self._newest = np.zeros(num_environments, int)
        self._age = np.full(num_environments, -1, np.int32)

    def append(
        self, rows: Columns, environments: np.ndarray, priority: float, starts: bool = True
    ) -> None:
        """Appends a row of each of `environments`; windows start there, or do not."""
        number = self._stream.rows + np.arange(len(environments))
        follows = self._age[environments] >= 0
        back = np.where(follows, number - self._newest[environments], 0)
        self._age[environments] += 1
        links = Links(
            back=back.astype(np.int32),
            age=self._age[environments],
            starts=np.full(len(environments), starts),
        )
        self._newest[environments] = number
        self._stream.append(rows, links, priority)

    def end(self, environments: np.ndarray) -> None:
        """Makes the next rows of `environments` the first of an episode."""
        self._age[environments] = -1


class _Turns:
    """Rows on several streams: each environment writes to one of them for some steps, and then to
    the next. With hindsight it changes only between two episodes.

    The windows that start on a stream are completed there, and the stacks of the first ones find
    their frames there: the steps around each change are written to both.
    """

    def __init__(self, tracks: Sequence[_Track], num_environments: int, windows: Windows):
        self._tracks = tracks
        self._steps = max(BLOCK_ROWS, windows.n)
        self._keeps_episodes = windows.hindsight is not None
        self._n = windows.n
        self._places = [
            _Place(environment % len(tracks), deque(maxlen=windows.steps_before))
            for environment in range(num_environments)
        ]

    def append(self, rows: Columns, environments: np.ndarray, priority: float) -> None:
        """Appends a row of each of `environments`."""
        for number, environment in enumerate(environments):
            row = part(rows, number, number + 1)
            self._append_one(row, environments[number : number + 1], priority)
            place = self._places[environment]
            is_over = place.steps >= self._steps and not row[NUMBERS][0, -1]
            if is_over and not self._keeps_episodes:
                self._change(place, environments[number : number + 1], priority)

    def _append_one(self, row: Columns, environment: np.ndarray, priority: float) -> None:
        place = self._places[environment[0]]
        for track in list(place.completing):
            self._tracks[track].append(row, environment, priority, starts=False)
            place.completing[track] -= 1
            if not place.completing[track]:
                self._tracks[track].end(environment)
                del place.completing[track]
        self._tracks[place.track].append(row, environment, priority)
        place.steps += 1
        place.recent.append(row)

    def _change(self, place: "_Place", environment: np.ndarray, priority: float) -> None:
        """Continues an environment on the next stream."""
        place.completing[place.track] = self._n
        place.track = (place.track + 1) % len(self._tracks)
        place.steps = 0
        for row in place.recent:
            self._tracks[place.track].append(row, environment, priority, starts=False)

    def end(self, environments: np.ndarray) -> None:
        """As `_Track.end`."""
        for track in self._tracks:
            track.end(environments)
        for environment in environments:
            place = self._places[environment]
            place.completing.clear()
            place.recent.clear()
            if self._keeps_episodes:
                place.track = (place.track + 1) % len(self._tracks)


@dataclasses.dataclass
class _Place:
    """Where an environment writes.

    Attributes:
      track: index of its stream.
      recent: its newest rows, as many as a stack needs before a step.
      steps: written there since the last change.
      completing: {stream: rows that its last windows lack}.
    """

    track: int
    recent: deque[Columns]
    steps: int = 0
    completing: dict[int, int] = dataclasses.field(default_factory=dict)
