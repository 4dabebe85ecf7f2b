"""Sizes of tasks and networks that the benchmarks of this library and of every peer share.

Standard library only, because the peers run in their own environment.
"""

import dataclasses

BATCH = 256
UNITS = 256
"""Of each of the two hidden layers of every network."""
RANDOM_STEPS = 5_000
"""Environment steps with random actions before learning: the default of `train`, for every peer."""
UPDATES_PER_CALL = 16
"""Of our compiled update: the default of `update.updates_per_call`."""


@dataclasses.dataclass(frozen=True)
class Size:
    """A task and an ensemble.

    Attributes:
      name: in results and in the arguments of workers.
      environment: Gymnasium id.
      observation: floats of an observation.
      action: floats of an action.
      critics: ensemble size.
      updates_per_step: critic updates for each environment step; also critic updates for each actor
        update.
    """

    name: str
    environment: str
    observation: int
    action: int
    critics: int = 2
    updates_per_step: int = 1


HALF_CHEETAH = Size("half_cheetah", "HalfCheetah-v5", 17, 6)
HUMANOID = Size("humanoid", "Humanoid-v5", 348, 17)
REDQ = Size("redq", "HalfCheetah-v5", 17, 6, critics=10, updates_per_step=20)
OUR_PACKAGES = ("tensorflow", "keras", "dm-reverb", "gymnasium", "mujoco")
SIZES = {size.name: size for size in (HALF_CHEETAH, HUMANOID, REDQ)}


def gin_bindings(size: Size) -> list[str]:
    """Returns the gin bindings of `size`, as far as they differ from the defaults."""
    bindings = [f'train.environment = "{size.environment}"']
    if size.critics != 2:
        bindings += [f"critic.ensemble_size = {size.critics}"]
    if size.updates_per_step != 1:
        bindings += [
            f"train.updates_per_step = {size.updates_per_step}",
            f"update.updates_per_call = {size.updates_per_step}",
            f"sac_steps.critic_steps_per_actor_step = {size.updates_per_step}",
        ]
    return bindings
