r"""A wrapper that changes the physics of a MuJoCo task, for transfer and robustness.

python -m binaries.train --root_dir=runs/moon --gin_file=gin_configs/tasks/half_cheetah.gin \
    --gin_bindings='environment.wrappers=[["examples.scaled_physics:scaled", {"gravity": 0.5}]]'

Add --gin_bindings='train.initialize_from="runs/cheetah"' to fine-tune the policy of another run.
"""

import gymnasium
import numpy as np


def scaled(
    environment: gymnasium.Env, gravity: float = 1.0, friction: float = 1.0
) -> gymnasium.Env:
    """Returns a MuJoCo environment with gravity and friction multiplied by factors.

    Resets keep the change: they set the state of the simulation, not its model. Friction changes in
    all geometries, since MuJoCo takes the larger one of two that touch.
    """
    model = environment.unwrapped.model
    model.opt.gravity[:] = gravity * np.array(model.opt.gravity)
    model.geom_friction[:] = friction * np.array(model.geom_friction)
    return environment
