"""Hindsight experience replay (1707.01495): goals that an episode reached replace its own."""

import weakref
from typing import Any

import gin
import numpy as np
import tensorflow as tf

from sac_tf.environments.goals import ACHIEVED, DESIRED, Goals
from sac_tf.errors import ConfigurationError, require_count
from sac_tf.replay.columns import StoredSteps
from sac_tf.types import EnvironmentSpec

_STRATEGIES = ("future", "final", "episode")


@gin.configurable
class Hindsight:
    """Replaces the desired goal of k / (k + 1) of the transitions by a goal that their episode
    achieved (1707.01495, section 3.3, 4.5).

    The goal is replaced in the observation and in its successor. The reward is that of the task for
    what the step achieved, and so is the termination, if the task computes it. With n-step returns,
    this holds for each of the n steps.

    The learner's own copy of the steps draws a new goal each time a transition is read. Reverb's
    own samplers have k goals for each transition, drawn when its episode ended.

    Attributes:
      k: see the argument.
    """

    def __init__(
        self, spec: EnvironmentSpec, goals: Goals | None, k: int = 4, strategy: str = "future"
    ):
        """Takes the settings.

        Args:
          spec: of the task.
          goals: of the task; None in a process that only stores steps.
          k: transitions with a replaced goal for each one with the task's own goal; 0 replaces
            none.
          strategy: which steps of the episode the goals are from: "future", those after the
            beginning of the transition; "final", the last one; "episode", all of them.

        Raises:
          ConfigurationError: a setting out of range, or a task without goals.
        """
        self.k = require_count("Hindsight.k", k, minimum=0)
        if strategy not in _STRATEGIES:
            raise ConfigurationError(
                f"Hindsight.strategy must be one of {', '.join(_STRATEGIES)}, got {strategy!r}."
            )
        self._strategy = strategy
        self._goals = goals
        self._shape = _goal_shape(spec)
        if goals is not None:
            goals.prepare(self._shape)

    def first(self, step: Any, last: Any) -> Any:
        """Returns the first step that gives goals to `step` of an episode whose newest step is
        `last`; all are numbers or arrays of numbers, counted from 0. The last one that does is
        `last`."""
        if self._strategy == "future":
            return step + 1
        return last if self._strategy == "final" else 0 * step + 1

    def draw(self, step: int, last: int, generator: np.random.Generator) -> np.ndarray:
        """Returns k steps of an episode, drawn uniformly from those that give goals to `step`."""
        return generator.integers(self.first(step, last), last, self.k, endpoint=True)

    def check(self, reward: np.ndarray, achieved: Any, desired: Any) -> None:
        """As `Goals.check`, if there is a task to compare with, of the newest frames of stacks."""
        if self._goals is not None:
            depth = self._shape[-1] if self._shape else 0
            self._goals.check(reward, achieved[..., -depth:], desired[..., -depth:])

    def relabel(
        self, steps: StoredSteps, given: StoredSteps, start: int, generator: tf.random.Generator
    ) -> StoredSteps:
        """Returns the steps of windows with replaced goals; called inside a `tf.function`.

        Args:
          steps: [B, K].
          given: [B, G], steps that give goals.
          start: position in a window of the step that begins the transition.
          generator: of the draws.
        """
        rows = tf.shape(steps.reward)[0]
        goal = _one_of(given.observation[ACHIEVED], generator)
        is_replaced = generator.uniform([rows]) < self.k / (self.k + 1)
        reached = steps.observation[ACHIEVED][:, start + 1 :]
        reward, terminated = self._judge(reached, goal, is_replaced)
        which = is_replaced[:, tf.newaxis]
        changed = slice(start, steps.reward.shape[1] - 1)
        reward = tf.where(which, reward, steps.reward[:, changed])
        discount = steps.discount[:, changed]
        if self._goals is not None and self._goals.can_terminate:
            discount = tf.where(which, 1.0 - tf.cast(terminated, tf.float32), discount)
        desired = steps.observation[DESIRED]
        mask = tf.reshape(is_replaced, [-1] + [1] * (len(desired.shape) - 1))
        desired = tf.where(mask, goal[:, tf.newaxis], desired)
        return steps._replace(
            observation={**steps.observation, DESIRED: desired},
            reward=_with(steps.reward, changed, reward),
            discount=_with(steps.discount, changed, discount),
        )

    def _judge(
        self, reached: tf.Tensor, goal: tf.Tensor, is_replaced: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns rewards float32 [B, n] and terminations bool [B, n] of achieved goals [B, n, ...]
        for goals [B, ...]; 0 and False where the goal is not replaced."""
        # TensorFlow never frees the function: a reference would keep the run alive.
        hindsight = weakref.proxy(self)
        with tf.device("CPU:0"):
            judged = tf.numpy_function(
                lambda *arrays: hindsight._judge_arrays(*arrays),
                [reached, goal, is_replaced],
                [tf.float32, tf.bool],
            )
        shape = reached.shape[:2]
        return tf.ensure_shape(judged[0], shape), tf.ensure_shape(judged[1], shape)

    def _judge_arrays(
        self, reached: np.ndarray, goal: np.ndarray, is_replaced: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `_judge`, of arrays."""
        assert self._goals is not None
        rows, n, *shape = reached.shape
        achieved = reached[is_replaced].reshape(-1, *shape)
        desired = np.repeat(goal[is_replaced], n, axis=0)
        reward = np.zeros((rows, n), np.float32)
        terminated = np.zeros((rows, n), bool)
        if len(achieved):
            reward[is_replaced] = self._goals.reward(achieved, desired).reshape(-1, n)
            if self._goals.can_terminate:
                terminated[is_replaced] = self._goals.terminated(achieved, desired).reshape(-1, n)
        return reward, terminated


def _goal_shape(spec: EnvironmentSpec) -> tuple[int, ...]:
    """Returns the shape of a goal; raises ConfigurationError if the task has none."""
    leaves = {leaf.path: leaf for leaf in spec.observation_leaves}
    achieved, desired = (leaves.get((key,)) for key in (ACHIEVED, DESIRED))
    if achieved is None or desired is None:
        observed = ", ".join("/".join(map(str, path)) for path in leaves if path) or "one array"
        raise ConfigurationError(
            f"Windows.hindsight needs observations with {ACHIEVED!r} and {DESIRED!r}, and the task "
            f"has {observed}; leave gin_configs/her.gin out."
        )
    if achieved.shape != desired.shape or achieved.categories or desired.categories:
        raise ConfigurationError(
            f"Windows.hindsight needs goals of one shape, and the task has {achieved} and "
            f"{desired}."
        )
    frames = achieved.frames
    return (*achieved.shape[:-1], achieved.shape[-1] // frames) if frames > 1 else achieved.shape


def _one_of(goals: tf.Tensor, generator: tf.random.Generator) -> tf.Tensor:
    """Returns one of G goals of each row, [B, ...] of [B, G, ...]."""
    if goals.shape[1] == 1:
        return goals[:, 0]
    chosen = generator.uniform([tf.shape(goals)[0]], maxval=goals.shape[1], dtype=tf.int32)
    return tf.gather(goals, chosen, axis=1, batch_dims=1)


def _with(whole: tf.Tensor, changed: slice, part: tf.Tensor) -> tf.Tensor:
    """Returns [B, K] with other values at the positions `changed`."""
    return tf.concat([whole[:, : changed.start], part, whole[:, changed.stop :]], axis=1)
