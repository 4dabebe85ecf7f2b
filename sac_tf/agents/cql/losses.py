"""The losses of CQL (2006.04779) and Cal-QL (2303.05479): pure functions of tensors."""

import tensorflow as tf


def conservative_gap(
    q: tf.Tensor, log_density: tf.Tensor, q_data: tf.Tensor, temperature: float = 1.0
) -> tf.Tensor:
    """T log sum_j exp((Q(s, a_j) - log mu(a_j)) / T) - Q(s, a), which CQL(H) makes small
    (2006.04779, eq. 4 and appendix F). As in the authors' code, it is a sum over the M actions, not
    a mean: the gap of a constant Q is about T log M.

    Args:
      q: Q values [N, M, B] of M actions at each state.
      log_density: log mu(a_j) [M, B], mu the distribution that the action was drawn from.
      q_data: Q values [N, B] of the actions in the data.
      temperature: T.

    Returns: [N, B].
    """
    return temperature * tf.reduce_logsumexp((q - log_density) / temperature, axis=1) - q_data


def calibrated(q: tf.Tensor, return_to_go: tf.Tensor) -> tf.Tensor:
    """Returns max(Q, G) of Q values [N, M, B] of the policy's actions and the returns G [B] of the
    data: critics are not pressed below what the data reached (Cal-QL, 2303.05479, eq. 5.1).

    G ends with its episode. After a time limit it lacks the later rewards, and is too high if these
    are negative, as in the authors' code.
    """
    return tf.maximum(q, return_to_go)
