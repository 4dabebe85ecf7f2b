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
      image: pixels in each direction of its observation, three frames of three colors; 0 for a
        vector.
      batch: rows of an update.
      random_steps: before learning.
      updates_per_call: of our compiled update.
      sampled_actions: of each of the three kinds that CQL draws at a state; 0 for SAC.
    """

    name: str
    environment: str
    observation: int
    action: int
    critics: int = 2
    updates_per_step: int = 1
    image: int = 0
    batch: int = BATCH
    random_steps: int = RANDOM_STEPS
    updates_per_call: int = UPDATES_PER_CALL
    sampled_actions: int = 0


FRAMES = 3
_IMAGE_NUMBERS = {"action": 6, "batch": 128, "random_steps": 1_000, "updates_per_call": 4}


def _images(size: int) -> Size:
    """Returns the size of a task with images."""
    task = "benchmarks.random_images:Images"
    return Size(f"pixels_{size}", task, size * size * 9, image=size, **_IMAGE_NUMBERS)


HALF_CHEETAH = Size("half_cheetah", "HalfCheetah-v5", 17, 6)
HUMANOID = Size("humanoid", "Humanoid-v5", 348, 17)
REDQ = Size("redq", "HalfCheetah-v5", 17, 6, critics=10, updates_per_step=20)
CQL = Size("cql", "HalfCheetah-v5", 17, 6, sampled_actions=4)
OUR_PACKAGES = ("tensorflow", "keras", "dm-reverb", "gymnasium", "mujoco")
PIXELS = (_images(64), _images(84))
SIZES = {size.name: size for size in (HALF_CHEETAH, HUMANOID, REDQ, CQL, *PIXELS)}


def gin_files(size: Size) -> list[str]:
    """Returns the gin files of `size`."""
    if size.image:
        return ["gin_configs/drq.gin"]
    return ["gin_configs/cql.gin"] if size.sampled_actions else []


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
    if size.sampled_actions:
        bindings += [f"cql_gap.sampled_actions = {size.sampled_actions}"]
    if size.image:
        bindings += [
            f"environment.arguments = {{'size': {size.image}}}",
            f"environment.frame_stack = {FRAMES}",
            f"update.updates_per_call = {size.updates_per_call}",
        ]
    return bindings
