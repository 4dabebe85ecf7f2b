import numpy as np
import pytest

from sac_tf.moments import Moments


def _moments(rows):
    return Moments(len(rows), rows.mean(0), ((rows - rows.mean(0)) ** 2).sum(0))


@pytest.mark.parametrize(("center", "spread"), [(0.0, 1.0), (1e6, 1e-2), (-3.0, 0.0)])
def test_joined_batches_have_the_moments_of_all_rows(center, spread):
    rows = center + spread * np.random.default_rng(0).normal(size=(500, 3))
    joint = Moments(0, 0.0, 0.0)
    for part in np.split(rows, [1, 2, 9, 200, 201, 450]):
        joint = joint.join(_moments(part))
    assert joint.count == 500
    np.testing.assert_allclose(joint.mean, rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(joint.variance, rows.var(0), rtol=1e-6)


def test_two_rows_by_hand():
    """1 and 4: mean 2.5, squared deviations 2 * 1.5^2."""
    assert Moments(1, 1.0, 0.0).join(Moments(1, 4.0, 0.0)) == (2, 2.5, 4.5)
