"""The collector of a distributed run: acts in its own environments with the newest policy and
inserts its steps; it never learns."""

import contextlib
import math
import signal
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from sac_tf.distributed.connection import Connection, RunDescription, Stopped, describe_task
from sac_tf.distributed.policies import PolicySource
from sac_tf.distributed.settings import configuration_of
from sac_tf.distributed.waiting import with_timeout
from sac_tf.errors import ConfigurationError, RunError
from sac_tf.replay.items import ItemStream
from sac_tf.replay.writer import StepWriter
from sac_tf.runs import folder as names
from sac_tf.runs.checkpoints import sentence_of
from sac_tf.runs.configuration import Configuration
from sac_tf.runs.lock import locked
from sac_tf.runs.logs import CsvLog, progress_bar, say
from sac_tf.runs.session import Session, session
from sac_tf.runs.terminal import say_renderer
from sac_tf.training.acting import uniform_actions
from sac_tf.training.collecting import collect
from sac_tf.training.train import Training
from sac_tf.types import Act, EnvironmentSpec, Episode, Nest

_FLUSH_S = 30.0
"""Timeout of sending the last rows after an error, in seconds."""
_EPISODE_COLUMNS = ("step", "wall_time", "episode_return", "episode_length", "policy_updates")


def run(
    folder: Path, addresses: Sequence[str], collector_id: str, training: Training
) -> signal.Signals | None:
    """Collects for the task of `training` until the run is complete or a signal comes.

    Args:
      folder: of this collector, for its episodes.csv.
      addresses: of the replay servers; steps are written to them in turns.
      collector_id: names it in the status of the run.
      training: settings of the run.

    Returns: the signal that interrupted it, or None.

    Raises:
      ConfigurationError: a setting, an address or the task is wrong.
      RunError: a server did not come back, or had no room, in time.
    """
    configuration = configuration_of(training)
    with locked(folder), session(training.runtime) as opened:
        with contextlib.suppress(Stopped):
            collector = _Collector(folder, addresses, collector_id, training, configuration, opened)
            collector.go()
            if collector.is_complete():
                return None
        return opened.interrupts.received


class _Collector:
    """The parts of one call of `run`, and what it has collected."""

    def __init__(
        self,
        folder: Path,
        addresses: Sequence[str],
        collector_id: str,
        training: Training,
        configuration: Configuration,
        opened: Session,
    ):
        self._training = training
        self._opened = opened
        self._started = time.time()
        self._steps = 0
        self._last: Episode | None = None
        self._policies: PolicySource | None = None
        entropy = [training.seed, zlib.crc32(collector_id.encode()), time.time_ns()]
        self._seed = np.random.SeedSequence(entropy)
        factory = training.environment_factory
        self._environment = opened.open(factory.make(training.num_environments))
        say_renderer(factory.renderer())
        spec = self._environment.spec
        run = RunDescription(describe_task(factory.title, spec), configuration.settings)
        self._connection = opened.open(Connection(addresses, run, self._is_over))
        self._explore = self._make_actor(spec)
        self._writer = opened.open(self._make_writer(spec))
        self._episodes = opened.open(CsvLog(folder / names.EPISODES, _EPISODE_COLUMNS, math.inf))
        say(f"Collecting {factory.title} as {collector_id}.")
        self._bar = opened.open(progress_bar(None, "collect"))
        self._connection.send_heartbeats(f"collector {collector_id}", self._report)

    def _make_actor(self, spec: EnvironmentSpec) -> Act:
        """Returns the actions of a policy that is fetched from the first server."""
        training = self._training
        policy = training.make_policy(spec)
        generator = tf.random.Generator.from_seed(self._new_seed())
        client = self._connection.clients[0]
        policies = PolicySource(client, policy, say, training.total_steps)
        self._policies = self._opened.open(policies)
        return training.exploration(policy, generator, spec, training.num_environments).act

    def _make_writer(self, spec: EnvironmentSpec) -> StepWriter:
        windows = self._training.make_windows(spec, self._environment.goals)
        environments = self._training.num_environments
        streams = [
            ItemStream(client, windows, environments, wait=self._connection.patience)
            for client in self._connection.clients
        ]
        return StepWriter(windows, environments, streams)

    def go(self) -> None:
        """Collects until the run is complete or a signal comes."""
        needs_policy = self._training.random_steps == 0 and self._policy_source.policy is None
        if needs_policy and not self._connection.patience(
            self._policy_source.wait, "the learner's first policy"
        ):
            return
        try:
            self._collect()
        except (Exception, SystemExit) as error:
            kind = ConfigurationError if isinstance(error, ConfigurationError) else RunError
            raise kind(f"{sentence_of(error)} {self._send_rest()}") from error
        self._flush()
        reason = "The run is complete" if self.is_complete() else "Stopped"
        say(f"{reason}: {self._steps:,} steps collected here.")

    def _collect(self) -> None:
        for transition, episodes in collect(self._environment, self._act(), self._new_seed()):
            ended = [episode.environment for episode in episodes]
            steps = self._steps + self._training.num_environments
            self._writer.add(transition, steps, ended, priority=self._new_priority)
            self._steps = steps
            self._record(episodes)
            self._policy_source.refresh(self._steps)
            if self._is_over():
                return

    def _flush(self) -> None:
        """Sends all steps, also of unfinished episodes."""
        self._writer.end_episodes(priority=self._new_priority)
        self._writer.publish()

    def _send_rest(self) -> str:
        """As `_flush`, after an error; returns a sentence on the result."""
        try:
            with_timeout(self._flush, _FLUSH_S)
        except Exception as error:  # must not hide the first one
            return f"Its last rows could not be sent: {sentence_of(error)}"
        return f"All {self._steps:,} steps collected here are in the replay."

    def is_complete(self) -> bool:
        """Returns whether the learner published its last policy."""
        return self._policies is not None and self._policies.is_last

    @property
    def _policy_source(self) -> PolicySource:
        assert self._policies is not None
        return self._policies

    @property
    def _new_priority(self) -> float:
        """Priority of new transitions."""
        policy = self._policy_source.policy
        return 1.0 if policy is None else policy.new_priority

    def _act(self) -> Act:
        """Returns random actions before the first trained policy, and then those of the policy."""
        training = self._training
        spec = self._environment.spec
        uniform = uniform_actions(spec, training.num_environments, self._new_seed())

        def act(observation: Nest) -> np.ndarray:
            policy = self._policy_source.policy
            if policy is None or (policy.updates == 0 and training.random_steps > 0):
                return uniform(observation)
            return self._explore(observation)

        return act

    def _record(self, episodes: list[Episode]) -> None:
        self._bar.update(self._training.num_environments)
        for episode in episodes:
            self._last = episode
            self._bar.set_postfix_str(f"return {episode.total_reward:.1f}", refresh=False)
            self._episodes.write(
                step=self._steps,
                wall_time=time.time() - self._started,
                episode_return=episode.total_reward,
                episode_length=episode.length,
                policy_updates=self._policy_source.report["policy_updates"] or 0,
            )

    def _is_over(self) -> bool:
        return self._opened.is_interrupted() or self.is_complete()

    def _report(self) -> dict[str, Any]:
        return {
            "kind": "collector",
            "steps": self._steps,
            "last_return": None if self._last is None else self._last.total_reward,
            "last_length": None if self._last is None else self._last.length,
            "last_info": {} if self._last is None else dict(self._last.info),
            "last_largest": {} if self._last is None else dict(self._last.largest),
            "waiting_for": self._connection.patience.waiting_for,
            **self._policy_source.report,
        }

    def _new_seed(self) -> int:
        return int(self._seed.spawn(1)[0].generate_state(1)[0] >> 1)
