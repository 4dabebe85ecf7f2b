"""Row weights, regularization and episode boundaries, against numbers worked by hand."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step as ts

from sac_tf.tf_agents.objective import row_weights, total_loss

NAN = float("nan")


@pytest.mark.parametrize(
    ("rows", "weights", "regularization", "mean"),
    [
        ([1.0, 3.0], None, [], 2.0),
        ([1.0, 3.0], 0.5, [], 1.0),
        ([1.0, 3.0], [2.0, 0.0], [], 1.0),
        ([1.0, NAN], [2.0, 0.0], [], 1.0),
        ([1.0, 3.0], [2.0, 0.0], [0.25, 0.5], 1.75),
        ([[1.0, 2.0], [3.0, 4.0]], None, [], 5.0),
        ([[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0], [], 8.5),
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]], [], 2.5),
    ],
)
def test_total_loss(rows, weights, regularization, mean):
    rows = total_loss(tf.constant(rows), weights, [tf.constant(loss) for loss in regularization])

    assert rows.shape == (2,)
    assert float(tf.reduce_mean(rows)) == pytest.approx(mean)


@pytest.mark.parametrize(
    ("step_type", "weights", "expected"),
    [
        ([0, 1, 1, 1], None, [1, 1, 1, 1]),
        ([0, 2, 1, 1], None, [4 / 3, 0, 4 / 3, 4 / 3]),
        ([2, 2, 1, 1], [1.0, 1.0, 0.5, 2.0], [0, 0, 1, 4]),
        ([2, 2, 1, 1], 0.5, [0, 0, 1, 1]),
        ([2, 2, 2, 2], None, [0, 0, 0, 0]),
        ([[0, 1, 2], [1, 1, 1]], [1.0, 2.0], [[1.2, 1.2, 0], [2.4, 2.4, 2.4]]),
    ],
)
def test_row_weights(step_type, weights, expected):
    found = row_weights(ts.TimeStep(tf.constant(step_type), (), (), ()), weights)

    np.testing.assert_allclose(found, expected, rtol=1e-6)
