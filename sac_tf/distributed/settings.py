"""Settings of a distributed run, and its configuration, which all of its processes share."""

import dataclasses
import math
from collections.abc import Callable

import gin
import reverb

from sac_tf.distributed.connection import MAY_DIFFER, connect
from sac_tf.distributed.policies import PolicySource
from sac_tf.distributed.rate_limits import held_ratio
from sac_tf.distributed.waiting import Patience
from sac_tf.errors import ConfigurationError, require_count, require_number
from sac_tf.replay.reader import BatchReader
from sac_tf.replay.tables import ReplayServer, make_tables
from sac_tf.runs.configuration import Configuration
from sac_tf.training.train import Training

_SERVER_MAY_CHANGE = ("replay_server.", "tables.", "held_ratio.", "ReplayServer.")
"""A server that restarts may have other limits: its checkpoint is adapted."""
_REFUSED = {
    ("BatchReader.sampler", "@ResidentSampler"): (
        "keeps a copy of every step, which a distributed learner never receives; use "
        "@ReverbSampler there."
    ),
    ("train.rewards", "@RunningRewardScale"): (
        "needs every reward in order, which a distributed learner never receives; use "
        "@FixedRewardScale there."
    ),
}
"""{(name, value): why it is for one process}."""


@gin.configurable("replay_server")
@dataclasses.dataclass(frozen=True)
class ReplayServerSettings:
    """Settings of `binaries.replay_server`.

    Attributes:
      checkpoint_period: seconds between two checkpoints of the tables; a server that is killed
        resumes from the last one.
      servers: replay servers of the run; each stores an equal part of the rows.
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
      ConfigurationError: a setting that no process uses, or one that is for a single process.
    """
    if training.initialize_from is not None:
        raise ConfigurationError(
            "train.initialize_from is for one process (binaries.train); leave it out here."
        )
    if training.prior_data is not None and training.prior_data().interventions:
        raise ConfigurationError(
            "prior_data.interventions is for one process (binaries.train); leave it at 0 here: "
            "interventions are then in the replay only."
        )
    roots = [
        training,
        ReplayServerSettings(),
        LearnerSettings(),
        Patience,
        connect,
        PolicySource,
        make_tables,
        ReplayServer,
        BatchReader,
    ]
    ignored = {
        "train": {"replay", "initialization"},
        "tables": {"rate_limiter"},  # replay_server.limits builds it
        "ReplayServer": {"port"},  # --port
    }
    may_change = (*MAY_DIFFER, *_SERVER_MAY_CHANGE)
    configuration = Configuration.of(roots, ignored, may_change)
    for (name, value), reason in _REFUSED.items():
        if configuration.settings[name] == value:
            raise ConfigurationError(f"{name}={value} {reason}")
    return configuration
