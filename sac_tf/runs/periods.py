"""Periods: events that are due every n environment steps."""

from collections.abc import Callable, Iterable

from sac_tf.environments.environment import Environment

_UNLIMITED_STEPS = 10_000
_LONGEST_STEPS = 100_000
"""Steps of an environment that a checkpoint waits for the end of its episode, at most: in a task
without a time limit, and in any task."""


def is_due(period: int, before: int, now: int) -> bool:
    """Returns whether a multiple of `period` was reached or crossed between steps `before` and
    `now`."""
    return now // period > before // period


class CheckpointPeriods:
    """The periods between two checkpoints, each of which begins with new episodes.

    A period ends at the first multiple of `period` environment steps if each environment has
    finished an episode by then. Otherwise it ends when each of them has, so that episodes that take
    longer than a period are trained on whole. The end depends on the steps of this period only: a
    resumed run ends it at the same step.
    """

    def __init__(self, period: int, environment: Environment, say: Callable[[str], None]):
        """Takes what all periods share; `begin` comes next.

        Args:
          period: environment steps between two checkpoints.
          environment: of the run.
          say: prints a line.
        """
        self._period = period
        self._num_environments = environment.num_environments
        self._longest = min(environment.max_episode_steps or _UNLIMITED_STEPS, _LONGEST_STEPS)
        self._say = say
        self._has_said = False

    def begin(self, step: int) -> None:
        """Begins a period at an environment step."""
        self._start = step
        self._playing = set(range(self._num_environments))

    def is_over(self, step: int, ended: Iterable[int]) -> bool:
        """Returns whether the period ends with this joint step.

        Args:
          step: environment step.
          ended: environments whose episode ended with it.
        """
        self._playing.difference_update(ended)
        if not is_due(self._period, self._start, step):
            return False
        if self._playing and step - self._start < self._longest * self._num_environments:
            return False
        if self._playing and not self._has_said:
            self._has_said = True
            self._say(
                f"No episode ended in {self._longest:,} steps: each checkpoint (at step {step:,} "
                "for the first time) ends the episodes and starts new ones."
            )
        return True
