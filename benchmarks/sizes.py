"""What is measured, in numbers that ours and every peer share. Standard library only: peers have
their own packages."""

import dataclasses

BATCH = 256
UNITS = 256
"""Of both hidden layers of every network."""
RANDOM_STEPS = 5_000
"""Steps with random actions before learning: the default of `train`, given to every peer."""
UPDATES_PER_CALL = 16
"""Of our compiled update: the default of `make_update`."""


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
    """Returns the bindings that make ours learn `size`; none where the defaults do."""
    bindings = [f'train.environment = "{size.environment}"']
    if size.critics != 2:
        bindings += [f"critic.ensemble_size = {size.critics}"]
    if size.updates_per_step != 1:
        bindings += [
            f"learner.updates_per_step = {size.updates_per_step}",
            f"make_update.updates_per_call = {size.updates_per_step}",
            f"sac_steps.critic_steps_per_actor_step = {size.updates_per_step}",
        ]
    return bindings
