"""VICE (1805.11686): the reward is a classifier that learns, during the run, to tell goal
observations from those that the policy reaches."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import gin
import tensorflow as tf

from sac_tf.agents import optimizers
from sac_tf.agents.agent import Agent, MakeState, Steps, TrainState
from sac_tf.agents.optimizers import Minimize, Optimizer, classifier_adam
from sac_tf.agents.passes import joined
from sac_tf.agents.trainable import Trainable
from sac_tf.agents.update import require_whole_turns
from sac_tf.agents.vice.losses import gradient_penalty, mixed_losses
from sac_tf.agents.vice.rewards import REACHED, vice_reward
from sac_tf.errors import NOT_NEGATIVE, ConfigurationError, require_count, require_number
from sac_tf.networks.classifier import Classifier, make_classifier
from sac_tf.replay import examples
from sac_tf.replay.augmentation import shift_images
from sac_tf.replay.dataset import MinariEpisodes
from sac_tf.replay.protocols import Transform
from sac_tf.seeds import independent_seeds
from sac_tf.types import EnvironmentSpec, Metrics, Nest, Transition

_SEED = 16
"""Which of the independent seeds of a run the classifier has; train states use the first ones."""


class Goals(tf.Module):
    """Goal observations of a data set, which checkpoints have."""

    def __init__(self, observations: Nest):
        """Takes a nest of [N, ...]."""
        super().__init__(name="goals")
        self._structure = tf.nest.map_structure(lambda leaf: leaf.dtype, observations)
        self.leaves = [tf.Variable(leaf, trainable=False) for leaf in tf.nest.flatten(observations)]

    def draw(self, number: int, generator: tf.random.Generator) -> Nest:
        """Returns `number` of them, drawn uniformly and with replacement."""
        size = self.leaves[0].shape[0]
        rows = generator.uniform([number], maxval=size, dtype=tf.int32)
        drawn = [tf.gather(leaf, rows) for leaf in self.leaves]
        return tf.nest.pack_sequence_as(self._structure, drawn)


@gin.configurable
def vice_step(
    state: TrainState,
    batch: Transition,
    smoothing: float = 0.1,
    mixup: float = 1.0,
    penalty: float = 1.0,
    shift_pixels: int = 4,
    minimize: Minimize = optimizers.minimize,
) -> Metrics:
    """Takes a gradient step of the classifier of `state`; returns metrics.

    Args:
      state: changed in place.
      batch: B transitions, after `vice_reward`. What the first half of them reached is not the
        goal; as many goals are drawn. The first half of a batch with prior data is of the replay.
      smoothing: labels are this far from 0 and 1: what the policy reaches may be the goal.
      mixup: alpha of the distribution Beta(alpha, alpha) of the share with which examples are
        mixed; 0 mixes none.
      penalty: weight of the gradient penalty; SERL (2401.16013) has 10, for thousands of features.
      shift_pixels: largest random shift of an image in each direction, of goals and others alike.
      minimize: takes the gradient step.

    Raises:
      ConfigurationError: a number out of range.
    """
    _require_numbers(smoothing, mixup, penalty, shift_pixels)
    trained: Trainable = state.classifier  # type: ignore[attr-defined]
    shown, labels = _examples(state, batch, smoothing, shift_pixels)
    row_losses = functools.partial(
        _row_losses, trained.model, shown, labels, mixup, penalty, state.generator
    )
    metrics, logits = minimize(row_losses, trained.optimizer, trained.model.trainable_variables)
    goals, reached = tf.unstack(tf.reduce_mean(tf.reshape(tf.sigmoid(logits), [2, -1]), axis=1))
    own = {"goal_probability": goals, "reached_probability": reached}
    return {**optimizers.prefixed("classifier", metrics), **own}


def _require_numbers(smoothing: float, mixup: float, penalty: float, shift_pixels: int) -> None:
    """Raises ConfigurationError for a number of `vice_step` that is out of range."""
    below_half = (lambda x: 0 <= x < 0.5, "a number from 0 to below 0.5")
    require_number("vice_step.smoothing", smoothing, *below_half)
    require_number("vice_step.mixup", mixup, *NOT_NEGATIVE)
    require_number("vice_step.penalty", penalty, *NOT_NEGATIVE)
    require_count("vice_step.shift_pixels", shift_pixels, minimum=0)


def _examples(
    state: TrainState, batch: Transition, smoothing: float, shift_pixels: int
) -> tuple[Nest, tf.Tensor]:
    """Returns goals and what the first half of a batch reached, shifted, and their labels."""
    half = batch.reward.shape[0] // 2
    goals = state.goals.draw(half, state.generator)  # type: ignore[attr-defined]
    reached = tf.nest.map_structure(lambda leaf: leaf[:half], batch.extras[REACHED])
    labels = tf.concat([tf.fill([half], 1 - smoothing), tf.fill([half], smoothing)], 0)
    return shift_images(state.generator, shift_pixels, joined(goals, reached)), labels


def _row_losses(
    classifier: Classifier,
    shown: Nest,
    labels: tf.Tensor,
    mixup: float,
    penalty: float,
    generator: tf.random.Generator,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the losses [B] of goals and others, and their logits [B]."""
    head = functools.partial(classifier.head, training=True)
    features = classifier.features(shown, training=True)
    share = _draw_share(mixup, generator)
    order = tf.argsort(generator.uniform(labels.shape))
    losses = mixed_losses(head, features, labels, share, order)
    if penalty:
        goals, others = tf.split(features, 2)
        between = generator.uniform([goals.shape[0], 1])
        points = between * goals + (1 - between) * others
        losses += penalty * tf.tile(gradient_penalty(head, points), [2])
    return losses, classifier.head(features)


def _draw_share(alpha: float, generator: tf.random.Generator) -> tf.Tensor:
    """Returns a draw from Beta(alpha, alpha), scalar; 1 for an alpha of 0."""
    if not alpha:
        return tf.ones([])
    seed = generator.uniform_full_int([2], tf.int32)
    first, second = tf.unstack(tf.random.stateless_gamma([2], seed, alpha))
    return first / (first + second)


@gin.configurable
def vice(
    agent: Agent,
    dataset: str | None = None,
    final_steps: int | None = 1,
    period: int = 1,
    frozen_from: int | None = None,
    network: Callable[[EnvironmentSpec, int], Classifier] = make_classifier,
    optimizer: Callable[[], Optimizer] = classifier_adam,
    reward: Transform = vice_reward,
    step: Callable[[TrainState, Transition], Metrics] = vice_step,
) -> Agent:
    """Returns an agent whose rewards a classifier gives that learns with it.

    Args:
      agent: any other.
      dataset: with goal observations: id of a Minari data set in the local store, or its folder.
      final_steps: how many steps at the end of each of its episodes reach a goal; None: all.
      period: the classifier takes a step for this many updates of the agent; a divisor of
        `update.updates_per_call`.
      frozen_from: updates of the agent after which the classifier stays as it is; None: never.
      network: builds the classifier.
      optimizer: builds its optimizer.
      reward: replaces the rewards of a batch.
      step: takes a step of the classifier.

    Raises:
      ConfigurationError: a setting out of range.
    """
    for name, value in (("final_steps", final_steps), ("frozen_from", frozen_from)):
        require_count(f"vice.{name}", 1 if value is None else value)

    goals = functools.partial(_goal_observations, dataset, final_steps)
    return dataclasses.replace(
        agent,
        make_state=functools.partial(_make_state, agent.make_state, goals, network, optimizer),
        steps=functools.partial(_steps, agent.steps, step, period, frozen_from),
        transforms=(reward, *agent.transforms),
    )


def _make_state(
    agent_state: MakeState,
    goals: Callable[[EnvironmentSpec], Nest],
    network: Callable[[EnvironmentSpec, int], Classifier],
    optimizer: Callable[[], Optimizer],
    spec: EnvironmentSpec,
    seed: int,
    discount: float,
) -> TrainState:
    """Returns the state of the agent with goals and a classifier."""
    state: Any = agent_state(spec, seed, discount)
    state.goals = Goals(goals(spec))
    state.classifier = Trainable(network(spec, independent_seeds(seed, _SEED)[-1]), optimizer())
    return state


def _steps(
    agent_steps: Steps,
    step: Callable[[TrainState, Transition], Metrics],
    period: int,
    frozen_from: int | None,
    state: TrainState,
    batches: Sequence[Transition],
) -> tuple[Metrics, tf.Tensor]:
    """Takes the steps of the agent, and then those of the classifier, on every `period`-th batch.

    All batches have rewards of the classifier before the call.
    """
    require_whole_turns("vice.period", period, len(batches))
    metrics, td_error = agent_steps(state, batches)
    for batch in batches[::period]:
        own = _unless_frozen(functools.partial(step, state, batch), state, frozen_from)
        metrics = {**metrics, **own}
    return {**metrics, "learned_reward": tf.reduce_mean(batches[-1].reward)}, td_error


def _goal_observations(name: str | None, final_steps: int | None, spec: EnvironmentSpec) -> Nest:
    if not isinstance(name, str) or not name:
        raise ConfigurationError(
            f"vice.dataset must be the id of a Minari data set or its folder, got {name!r}."
        )
    episodes = MinariEpisodes.named(name, "this task", spec)
    return examples.joined(examples.reached_observations(episodes, spec, final_steps))


def _unless_frozen(
    step: Callable[[], Metrics], state: TrainState, frozen_from: int | None
) -> Metrics:
    """Returns the metrics of a step, which are 0 if it is not taken."""
    if frozen_from is None:
        return step()
    if state.strategy is not None:
        raise ConfigurationError(
            "vice.frozen_from works on one device only; leave it at None, or train.devices at "
            "@one_device."
        )
    traced = tf.function(step, autograph=False).get_concrete_function()
    nothing = {name: tf.zeros([]) for name in traced.structured_outputs}
    return tf.cond(state.updates < frozen_from, traced, lambda: nothing)
