"""Settings of a distributed run, and its configuration, which all of its processes share."""

import dataclasses
import math
from collections.abc import Callable

import gin
import reverb

from sac_tf.distributed.connection import connect
from sac_tf.distributed.policies import PolicySource
from sac_tf.distributed.rate_limits import held_ratio
from sac_tf.distributed.waiting import Patience
from sac_tf.errors import ConfigurationError, require_count, require_number
from sac_tf.replay.reader import BatchReader
from sac_tf.replay.tables import ReplayServer, make_tables
from sac_tf.replay.writer import TransitionWriter
from sac_tf.runs.configuration import Configuration
from sac_tf.training.train import Training

_OF_THE_SERVER = ("replay_server.", "tables.", "held_ratio.", "ReplayServer.")
"""A replay server that is restarted may have other limits; its checkpoint is adapted."""
OF_A_PROCESS = (
    "set_runtime.",
    "connect.",
    "Patience.",
    "PolicySource.",
    "train.num_environments",
    "train.total_steps",
)
"""Settings that may differ between the processes of a run."""


@gin.configurable("replay_server")
@dataclasses.dataclass(frozen=True)
class ReplayServerSettings:
    """Settings of `binaries.replay_server`.

    Attributes:
      checkpoint_period: seconds between two checkpoints of the tables; a server that dies restarts
        from the last.
      servers: replay servers that share the run; each gets an even part of the rows.
      limits: f(samples_per_insert, minimum_rows): `held_ratio` or `free_ratio`.
    """

    checkpoint_period: float = 300.0
    servers: int = 1
    limits: Callable[..., reverb.rate_limiters.RateLimiter] = held_ratio

    def __post_init__(self) -> None:
        require_number(
            "replay_server.checkpoint_period",
            self.checkpoint_period,
            lambda period: 0 < period < math.inf,
            "a number of seconds above 0",
        )
        require_count("replay_server.servers", self.servers)


@gin.configurable("learner")
@dataclasses.dataclass(frozen=True)
class LearnerSettings:
    """Settings of `binaries.learner`.

    Attributes:
      publication_period: critic updates between two publications of the policy.
    """

    publication_period: int = 100

    def __post_init__(self) -> None:
        require_count("learner.publication_period", self.publication_period)


def configuration_of(training: Training) -> Configuration:
    """Returns all settings of a distributed run, the same in each of its processes.

    Raises:
      ConfigurationError: a setting that no process uses.
    """
    if training.initialize_from is not None:
        raise ConfigurationError(
            "train.initialize_from is for one process (binaries.train); leave it out here."
        )
    parts = [ReplayServerSettings(), LearnerSettings(), Patience, connect, PolicySource]
    replay = [make_tables, ReplayServer, TransitionWriter, BatchReader]
    ignored = {
        "train": {"replay", "initialization"},
        "tables": {"rate_limiter"},  # replay_server.limits makes it
        "ReplayServer": {"port"},  # --port
    }
    may_change = (*OF_A_PROCESS, *_OF_THE_SERVER)
    return Configuration.of([training, *parts, *replay], ignored, may_change)
