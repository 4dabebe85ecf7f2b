"""Held-out episodes of a data set: metrics of policy and critics on data that nothing learns from,
for use without a task too."""

from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from sac_tf.agents.agent import TrainState
from sac_tf.agents.trainable import Trainable
from sac_tf.errors import ConfigurationError
from sac_tf.replay.columns import Trajectory
from sac_tf.replay.examples import joined
from sac_tf.replay.prior_data import Episodes
from sac_tf.replay.protocols import RewardScale
from sac_tf.replay.windows import Windows
from sac_tf.types import Metrics, Transition

_LARGEST = 10_000
"""Held-out steps that are evaluated, at most, in whole episodes."""
_ROWS = 1_000
"""Rows of one call of the networks."""


class RemainingEpisodes:
    """The episodes of a data set, without an evenly spaced share of them. An `Episodes`.

    Attributes:
      held_out: episodes of that share, up to `_LARGEST` steps; known after an iteration.
    """

    def __init__(self, episodes: Episodes, share: float):
        """Takes all episodes, and the share of them that is held out, above 0 and below 1."""
        self._episodes = episodes
        self._share = share
        self.name = episodes.name
        self.rows = episodes.rows
        self.held_out: list[Trajectory] = []

    def __iter__(self) -> Iterator[Trajectory]:
        self.held_out = []
        number = steps = 0
        for number, episode in enumerate(self._episodes, start=1):
            if int(number * self._share) == int((number - 1) * self._share):
                yield episode
            elif not self.held_out or steps < _LARGEST:
                self.held_out.append(episode)
                steps += len(episode.reward)
        if not self.held_out:
            raise ConfigurationError(
                f"train_offline.held_out={self._share} holds out none of the {number} episodes of "
                f"{self.name}; raise it, or leave it at 0."
            )


class HeldOut:
    """Evaluates a train state on held-out episodes.

    Its metrics: `held_out_action_error`, the mean squared difference of the policy's mean action
    and that of the data; where there are critics of one value, `held_out_td_error`, the mean
    absolute difference of Q(s, a) and its one-step target, whose next action is the policy's mean
    one; and `held_out_initial_value`, the mean value of the first states, to be compared with
    discounted returns.

    Attributes:
      metric_names: of these metrics.
    """

    def __init__(
        self,
        state: TrainState,
        episodes: Sequence[Trajectory],
        windows: Windows,
        rewards: RewardScale,
    ):
        """Takes what is evaluated, the episodes, and how rewards are scaled in learning."""
        parts = [windows.steps_of(windows.rows_of(episode)) for episode in episodes]
        first = [tf.nest.map_structure(lambda leaf: leaf[:1], part.observation) for part in parts]
        self._steps: Transition = joined(parts)
        self._first = joined(first)
        self._metrics_of_steps = _compiled(
            lambda steps: step_metrics(state, rewards(state, steps), windows.discount)
        )
        self._metrics_of_first = _compiled(lambda first: initial_metrics(state, first))
        self.metric_names = tuple(self.metrics())

    def metrics(self) -> dict[str, float]:
        """Returns the metrics of the state as it is now."""
        return {
            **_mean(self._metrics_of_steps, self._steps),
            **_mean(self._metrics_of_first, self._first),
        }


def step_metrics(state: TrainState, steps: Transition, discount: float) -> Metrics:
    """Returns the metrics [B] of B one-step transitions."""
    action = state.policy.mean_action(steps.observation)
    error = tf.reduce_mean(tf.square(action - steps.action), axis=-1)
    metrics = {"held_out_action_error": error}
    critics = _critics(state)
    if critics is not None:
        next_action = state.policy.mean_action(steps.next_observation)
        target = critics.model if critics.target is None else critics.target
        next_q = tf.reduce_min(target([steps.next_observation, next_action]), axis=0)
        y = steps.reward + discount * steps.discount * next_q
        q = critics.model([steps.observation, steps.action])
        metrics["held_out_td_error"] = tf.reduce_mean(tf.abs(q - y), axis=0)
    return metrics


def initial_metrics(state: TrainState, observation: tf.Tensor) -> Metrics:
    """Returns the metrics [B] of the first observations of B episodes."""
    critics = _critics(state)
    if critics is None:
        return {}
    q = critics.model([observation, state.policy.mean_action(observation)])
    return {"held_out_initial_value": tf.reduce_min(q, axis=0)}


def _critics(state: TrainState) -> Trainable | None:
    """Returns the critics of a state, if it has some whose outputs are Q values [N, B]."""
    critics = getattr(state, "critics", None)
    return critics if critics is not None and len(critics.model.output_shape) == 2 else None


def _compiled(function: Callable) -> Callable:
    return tf.function(function, autograph=False, reduce_retracing=True)


def _mean(function: Callable, rows: Transition) -> dict[str, float]:
    """Returns the means over all rows of the metrics [B] that `function` returns."""
    number = len(tf.nest.flatten(rows)[0])
    sums: dict[str, float] = {}
    for start in range(0, number, _ROWS):
        part = tf.nest.map_structure(
            lambda leaf, start=start: tf.constant(leaf[start : start + _ROWS]), rows
        )
        for name, values in function(part).items():
            sums[name] = sums.get(name, 0.0) + float(tf.reduce_sum(values))
    return {name: total / number for name, total in sums.items()}
