"""From what environments give to rows: the boundary rules of the replay, in plain NumPy."""

import numpy as np

from sac_tf.types import Nest, Step, Transition


def to_transition(observation: Nest, action: np.ndarray, step: Step) -> Transition:
    """Returns the E rows of one joint step: nest [E, ...], action [E, A] in [-1, 1] and what they led to.

    `discount` is 0 only where the task itself ended. Truncation keeps 1: the value of a state does not drop
    because a clock ran out (Pardo et al., 1712.00378).
    """
    discount = 1.0 - step.terminated.astype(np.float32)
    return Transition(observation, action, step.reward, discount, step.successor)
