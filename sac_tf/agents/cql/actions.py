"""Many actions at each state: drawn together, and evaluated in one call of the critics."""

import math
from typing import NamedTuple

import tensorflow as tf

from sac_tf import devices
from sac_tf.agents.sac.state import SacState
from sac_tf.seeds import draw_seed
from sac_tf.types import Nest, Transition


class Actions(NamedTuple):
    """M actions at each of B states: `action` [M, B, A], and the logarithm [M, B] of the density
    that each was drawn from."""

    action: tf.Tensor
    log_density: tf.Tensor


def uniform_actions(state: SacState, batch: Transition, number: int) -> Actions:
    """Returns n actions in [-1, 1] at each state."""
    rows, dimensions = batch.action.shape
    shape = [number, rows * devices.replicas(), dimensions]
    joint = tf.random.stateless_uniform(shape, draw_seed(state.generator), -1.0, 1.0)
    action = devices.own_rows(joint, axis=1)
    return Actions(action, tf.fill(action.shape[:2], -dimensions * math.log(2)))


def policy_actions(state: SacState, batch: Transition, number: int) -> Actions:
    """Returns n actions of the policy at s and n at s', all used at s."""
    here = drawn_actions(state, batch.observation, number)
    after = drawn_actions(state, batch.next_observation, number)
    return Actions(*(tf.concat(pair, axis=0) for pair in zip(here, after, strict=True)))


def drawn_actions(state: SacState, observation: Nest, number: int) -> Actions:
    """Returns n actions [n, B, A] of the policy at each state, without a gradient."""
    outputs = _tiled(state.policy.network([observation]), number)
    action, log_prob = state.policy.describe(outputs).sample_action(draw_seed(state.generator))
    return Actions(*(_untiled(tf.stop_gradient(leaf), number) for leaf in (action, log_prob)))


def trained_values(state: SacState, observation: Nest, actions: tf.Tensor) -> tf.Tensor:
    """Returns the critics' Q values [N, M, B] of actions [M, B, A], with a gradient; an image is
    encoded once."""
    encoding = state.shared.encode_with_gradient(observation)
    return values(state.shared.critics, encoding, actions, training=True)


def values(
    critics: tf.keras.Model, observation: Nest, actions: tf.Tensor, training: bool = False
) -> tf.Tensor:
    """Returns Q values [N, M, B] of actions [M, B, A], from one call of the network."""
    number, rows, dimensions = actions.shape
    flat = tf.reshape(actions, [number * rows, dimensions])
    q = critics([_tiled(observation, number), flat], training=training)
    return tf.reshape(q, [-1, number, rows])


def _tiled(nest: Nest, number: int) -> Nest:
    """Returns arrays [B, ...] repeated n times along their rows. Rows of one repetition stay
    together, so that a replica's rows are those of the joint batch (`sac_tf.devices`)."""
    return tf.nest.map_structure(
        lambda leaf: tf.tile(leaf, [number] + [1] * (leaf.shape.rank - 1)), nest
    )


def _untiled(leaf: tf.Tensor, number: int) -> tf.Tensor:
    """Returns an array [n * B, ...] as [n, B, ...]."""
    return tf.reshape(leaf, [number, leaf.shape[0] // number, *leaf.shape[1:]])
