"""Windows: the consecutive steps of an episode that become one transition."""

from collections.abc import Callable
from typing import Any

import gin
import numpy as np
import tensorflow as tf
import tree

from sac_tf.environments.goals import Goals
from sac_tf.errors import ConfigurationError, require_count
from sac_tf.replay.columns import NUMBERS, ColumnPacker, Columns, StoredSteps, Trajectory
from sac_tf.replay.hindsight import Hindsight
from sac_tf.types import RETURN_TO_GO, EnvironmentSpec, Nest, Transition


@gin.configurable
class Windows:
    """Reads transitions from stored steps: true successors, n-step returns (1710.02298, section 3)
    and stacks of frames.

    The window that starts at s_t is s_t, the n steps after it, and before it the steps whose frames
    its stack needs. It ends earlier where the episode does; the last step is then repeated. At the
    beginning of an episode the first step is repeated. There is one window for each step with an
    action; it is complete when its last step is stored.

    The transition has R = sum_k gamma^k r_(t+k), the discount gamma^(m-1) and the successor
    s_(t+m), so that the one-step target R + gamma * discount * V(s_(t+m)) is the m-step target. m
    is n, or less at the end of the episode: a truncated one bootstraps from its final observation,
    a terminated one has discount 0. No off-policy correction is applied.

    Attributes:
      spec: of the task.
      columns: packs the steps of the task.
      discount: gamma, of one environment step.
      with_return_to_go: see the argument.
      hindsight: replaces goals; None if no goal is replaced.
      n: maximum number of steps in a return.
      steps_before: F - 1, steps before the start, for stacks of F frames.
      length: K = F + n, steps of a window.
    """

    def __init__(
        self,
        spec: EnvironmentSpec,
        discount: float,
        goals: Goals | None,
        n: int = 1,
        with_return_to_go: bool = False,
        hindsight: Callable[..., Hindsight] | None = None,
    ):
        """Takes the settings.

        Args:
          spec: of the task.
          discount: gamma, of one environment step.
          goals: of the task, for `hindsight`; None in a process that only stores steps.
          n: maximum number of steps in a return.
          with_return_to_go: whether `Transition.extras` has `RETURN_TO_GO`, the discounted return
            from the step to the end of its episode. Steps are then stored when their episode has
            ended.
          hindsight: f(spec, goals), replaces goals of transitions; None for none.

        Raises:
          ConfigurationError: `n` is not a count, or a setting that hindsight cannot have.
        """
        self.n = require_count("Windows.n", n)
        self.with_return_to_go = with_return_to_go
        made = None if hindsight is None else hindsight(spec, goals)
        self.hindsight = made if made is not None and made.k else None
        if with_return_to_go and self.hindsight is not None:
            raise ConfigurationError(
                "Windows.with_return_to_go=True and Windows.hindsight=@Hindsight exclude each "
                "other: the returns are those of the task's own goals."
            )
        self.spec = spec
        self.columns = ColumnPacker(spec, with_return_to_go)
        self._leaves = spec.observation_leaves
        self.discount = discount
        self.steps_before = max(leaf.frames for leaf in self._leaves) - 1
        self.length = self.steps_before + 1 + n

    @property
    def keeps_rewards(self) -> bool:
        """Whether the reward of a transition is that of one step of the task, and nothing else is
        computed from rewards."""
        return self.n == 1 and not self.with_return_to_go and self.hindsight is None

    def transition(self, rows: Columns, generator: tf.random.Generator) -> Transition:
        """Returns the transitions of windows; called inside a `tf.function`.

        Args:
          rows: {dtype: tensor [B, K, width]}; with hindsight [B, K + G, width], the last G of which
            are steps of the same episode that give goals.
          generator: for the draws of goals.
        """
        steps = self.columns.unpack(
            {name: column[:, : self.length] for name, column in rows.items()}
        )
        start = self.steps_before
        if self.hindsight is not None:
            others = {name: column[:, self.length :] for name, column in rows.items()}
            given = self.columns.unpack(others)
            steps = self.hindsight.relabel(steps, given, start, generator)
        reward, discount, length = self._fold(steps)
        extras = {}
        if self.with_return_to_go:
            extras[RETURN_TO_GO] = steps.return_to_go[:, start]
        return Transition(
            observation=self._observation(steps.observation, start),
            action=steps.action[:, start],
            reward=reward,
            discount=discount,
            next_observation=self._observation(steps.observation, start + length),
            extras=extras,
        )

    def rows_of(self, episode: Trajectory) -> Columns:
        """Returns the rows of a whole episode, with returns-to-go if they are stored."""
        return self.columns.pack_episode(episode, self.discount)

    def steps_of(self, rows: Columns) -> Transition:
        """Returns the one-step transitions of a whole episode in order, NumPy leaves [T, ...].

        Args:
          rows: {dtype: array [T + 1, width]}, the final observation last.
        """
        last = len(rows[NUMBERS]) - 1
        around = np.arange(-self.steps_before, 2)
        places = np.clip(np.arange(last)[:, np.newaxis] + around, 0, last)
        steps = self.columns.unpack({dtype: column[places] for dtype, column in rows.items()})
        start = self.steps_before
        transition = Transition(
            observation=self._observation(steps.observation, start),
            action=steps.action[:, start],
            reward=steps.reward[:, start],
            discount=steps.discount[:, start],
            next_observation=self._observation(steps.observation, start + 1),
        )
        return tf.nest.map_structure(np.asarray, transition)

    def _fold(self, steps: StoredSteps) -> tuple[tf.Tensor, tf.Tensor, Any]:
        """Returns return [B], discount [B], and the number of steps m: 1, or int32 [B]."""
        start = self.steps_before
        reward = steps.reward[:, start]
        discount = steps.discount[:, start]
        if self.n == 1:
            return reward, discount, 1
        length = tf.ones_like(reward, tf.int32)
        continues = tf.ones_like(reward, tf.bool)
        for k in range(start + 1, start + self.n):
            continues &= steps.is_final[:, k] == 0
            reach = self.discount * discount
            reward = tf.where(continues, reward + reach * steps.reward[:, k], reward)
            discount = tf.where(continues, reach * steps.discount[:, k], discount)
            length += tf.cast(continues, tf.int32)
        return reward, discount, length

    def _observation(self, observation: Nest, newest: Any) -> Nest:
        """Returns the observation, with its stacks of frames, at position `newest` of each window:
        an integer, or int32 [B]."""
        stacked = [
            tf.cast(_stack(array, newest, leaf.frames), leaf.encoded_dtype)
            for array, leaf in zip(tree.flatten(observation), self._leaves, strict=True)
        ]
        return tree.unflatten_as(observation, stacked)


def _stack(leaf: tf.Tensor, newest: Any, frames: int) -> tf.Tensor:
    """Returns [B, ...] of an array [B, K, ...]: the frames up to `newest`, oldest first,
    joined along the last axis."""
    positions = [newest - back for back in reversed(range(frames))]
    if isinstance(newest, int):
        parts = [leaf[:, position] for position in positions]
    else:
        parts = [tf.gather(leaf, position, axis=1, batch_dims=1) for position in positions]
    return parts[0] if frames == 1 else tf.concat(parts, axis=-1)
