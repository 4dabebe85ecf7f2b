"""Passes of critics over (s, a) and (s', a'): one after the other, or jointly for batch
normalization."""

from typing import Protocol, TypeAlias

import gin
import tensorflow as tf

from sac_tf.agents.policy import Policy
from sac_tf.networks.layers import only_first_rows
from sac_tf.seeds import draw_seed
from sac_tf.types import Nest, Transition

Pair: TypeAlias = tuple[Nest, tf.Tensor]
"""Observations, nest of [B, ...], and actions [B, A]."""


def pairs_of(
    batch: Transition, policy: Policy, generator: tf.random.Generator
) -> tuple[Pair, Pair, tf.Tensor]:
    """Returns (s, a) of a batch, (s', a') with a' freshly drawn from the policy, and
    log pi(a'|s') [B]."""
    next_policy = policy(batch.next_observation)
    next_action, log_prob = next_policy.sample_action(draw_seed(generator))
    now = (batch.observation, batch.action)
    return now, (batch.next_observation, next_action), log_prob


class Pass(Protocol):
    """Evaluates critics."""

    def __call__(
        self,
        critics: tf.keras.Model,
        inputs: Pair,
        others: Pair,
        training: bool,
    ) -> tf.Tensor:
        """Returns the outputs [N, B, ...] for `inputs`.

        Args:
          critics: [observation, action] -> [N, B, ...].
          inputs: observation and action, nests of [B, ...].
          others: the other observation and action of the same transitions.
          training: whether the critics are trained on the outputs.
        """


@gin.configurable
def separate_pass(critics: tf.keras.Model, inputs: Pair, others: Pair, training: bool) -> tf.Tensor:
    """`Pass` over the B inputs alone."""
    del others
    return critics(list(inputs), training=training)


@gin.configurable
def joint_pass(critics: tf.keras.Model, inputs: Pair, others: Pair, training: bool) -> tf.Tensor:
    """`Pass` over all 2B rows in training mode, for target critics too: batch normalization uses
    the statistics of both halves (CrossQ, 1902.05605; XQC, 2509.25174)."""
    del training
    both = joined(inputs, others)
    with only_first_rows(tf.shape(inputs[1])[0]):
        return critics(list(both), training=True)


def pass_over_both(critics: tf.keras.Model, now: Pair, after: Pair) -> list[tf.Tensor]:
    """Returns the outputs [N, B, ...] for (s, a) and for (s', a') of one pass over all 2B rows in
    training mode (CrossQ, 1902.05605)."""
    return tf.split(critics(list(joined(now, after)), training=True), 2, axis=1)


def joined(*nests: Nest) -> Nest:
    """Returns nests of [B, ...] as one, with the rows of the first before those of the next."""
    return tf.nest.map_structure(lambda *leaves: tf.concat(leaves, 0), *nests)
