"""The change of gravity and friction is in force after a reset, in training and evaluation."""

import mujoco
import numpy as np
import pytest

from sac_tf.environments.factory import EnvironmentFactory

FRICTION = 0.4
"""Of every geometry of HalfCheetah-v5, along the ground."""


def _simulation(is_evaluation, **factors):
    """Returns a simulation as a run makes it, after two resets."""
    wrapper = ["examples.scaled_physics:scaled", factors]
    factory = EnvironmentFactory("HalfCheetah-v5", wrappers=[wrapper])
    environment = factory.make(is_evaluation=is_evaluation)
    environment.reset(seed=0)
    environment.reset(seed=1)
    return environment, environment._environments[0].unwrapped


@pytest.mark.parametrize("is_evaluation", [False, True])
@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_a_body_falls_with_the_scaled_gravity(is_evaluation, factor):
    environment, task = _simulation(is_evaluation, gravity=factor)
    position = np.zeros_like(task.init_qpos)  # without force of any joint
    position[1] = 5  # in the air
    task.set_state(position, np.zeros_like(task.init_qvel))
    mujoco.mj_forward(task.model, task.data)
    np.testing.assert_allclose(task.data.qacc, [0, -9.81 * factor, *[0] * 7], atol=1e-9)
    environment.close()


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_contacts_have_the_scaled_friction(factor):
    environment, task = _simulation(True, friction=factor)
    for _ in range(20):
        task.step(np.zeros(6))
    assert task.data.ncon > 0
    friction = [contact.friction[0] for contact in task.data.contact]
    np.testing.assert_allclose(friction, FRICTION * factor)
    environment.close()
