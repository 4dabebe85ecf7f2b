"""A collector: it acts in environments of its own, sends what it sees to the replay, and never
learns."""

import dataclasses
import math
import signal
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gin
import numpy as np
import reverb

from sac_tf.distributed.connection import connect, describe_task
from sac_tf.distributed.policies import PolicySource
from sac_tf.distributed.status import send_heartbeats
from sac_tf.distributed.waiting import Patience
from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.writer import TransitionWriter
from sac_tf.runs.interrupts import Interrupts
from sac_tf.runs.logs import CsvLog, progress_bar, say
from sac_tf.training.acting import exploring_actions, uniform_actions
from sac_tf.training.collecting import collect
from sac_tf.training.train import Training
from sac_tf.types import Episode

EPISODES_FILE = "episodes.csv"
_EPISODE_COLUMNS = ("step", "wall_time", "episode_return", "episode_length", "policy_updates")


@gin.configurable("collect")
@dataclasses.dataclass(frozen=True)
class Collecting:
    """A collector of a run.

    Attributes:
      patience: f(is_over, say) waits for the servers and at their limiters.
      connect: f(addresses, task, patience).
      policies: f(client, actor, say), where the policy comes from.
      writer: f(packer, clients, with_queue, wait).
    """

    patience: Callable[..., Patience] = Patience
    connect: Callable[..., list[reverb.Client]] = connect
    policies: Callable[..., PolicySource] = PolicySource
    writer: Callable[..., TransitionWriter] = TransitionWriter

    def run(
        self, folder: Path, addresses: Sequence[str], collector_id: str, training: Training
    ) -> signal.Signals | None:
        """Collects for the task of `training` until the run is complete or a signal comes.

        Args:
          folder: of this collector: for its episodes.csv.
          addresses: of the replay servers; rows go to them in turn.
          collector_id: its name on the board.
          training: settings of the run.

        Returns: the signal that stopped it, or None.

        Raises:
          ConfigurationError: an address or the task is wrong.
          RunError: a server, or room in its replay, did not come back within the patience.
        """
        training.runtime()
        with Interrupts() as interrupts:
            collector = _Collector(self, folder, addresses, collector_id, training, interrupts)
            try:
                collector.go()
            finally:
                collector.close()
        return None if collector.is_complete() else interrupts.received


class _Collector:
    """The parts of one call of `Collecting.run`, and what it has collected."""

    def __init__(
        self,
        settings: Collecting,
        folder: Path,
        addresses: Sequence[str],
        collector_id: str,
        training: Training,
        interrupts: Interrupts,
    ):
        self._training, self._interrupts = training, interrupts
        self._started, self._steps = time.time(), 0
        self._last: Episode | None = None
        self._environment = GymnasiumEnvironment(training.environment, training.num_environments)
        spec = self._environment.spec
        self.is_complete: Callable[[], bool] = lambda: False
        self._patience = settings.patience(self._is_over, say)
        clients = settings.connect(
            addresses, describe_task(training.environment, spec), self._patience
        )
        self._seed = np.random.SeedSequence(
            [training.seed, zlib.crc32(collector_id.encode()), time.time_ns()]
        )
        state = gin.get_configurable("TrainState")(spec, training.seed)
        self._explore = exploring_actions(state, spec, training.num_environments)
        state.exploration_generator.reset_from_seed(self._new_seed())
        self._policies = settings.policies(clients[0], state.actor, say)
        self.is_complete = lambda: self._policies.is_last
        self._writer = settings.writer(RowPacker(spec), clients, False, self._patience)
        self._episodes = CsvLog(folder / EPISODES_FILE, _EPISODE_COLUMNS, math.inf)
        self._heartbeats = send_heartbeats(clients[0], f"collector {collector_id}", self._report)
        say(f"Collecting {training.environment} as {collector_id}.")
        self._bar = progress_bar(None, "collect")

    def go(self) -> None:
        """Collects to the end."""
        training = self._training
        if training.random_steps == 0 and not self._patience(
            self._policies.wait, "the learner's first policy"
        ):
            return
        uniform = uniform_actions(
            self._environment.spec, training.num_environments, self._new_seed()
        )

        def act(observation: Any) -> np.ndarray:
            policy = self._policies.policy
            is_untrained = policy is None or (policy.updates == 0 and training.random_steps > 0)
            return (uniform if is_untrained else self._explore)(observation)

        for transition, episodes in collect(self._environment, act, self._new_seed()):
            self._steps += training.num_environments
            priority = self._policies.policy.new_priority if self._policies.policy else 1.0
            self._writer.add(
                transition, self._steps, [episode.copy for episode in episodes], priority
            )
            self._note(episodes)
            self._policies.refresh(self._steps)
            if self._is_over():
                self._writer.add_unfinished()
                self._writer.publish()
                break
        reason = "The run is complete" if self.is_complete() else "Stopped"
        say(f"{reason}: {self._steps:,} steps collected here.")

    def _note(self, episodes: list[Episode]) -> None:
        self._bar.update(self._training.num_environments)
        for episode in episodes:
            self._last = episode
            self._bar.set_postfix_str(f"return {episode.total_reward:.1f}", refresh=False)
            self._episodes.write(
                step=self._steps,
                wall_time=time.time() - self._started,
                episode_return=episode.total_reward,
                episode_length=episode.length,
                policy_updates=self._policies.report["policy_updates"] or 0,
            )

    def _is_over(self) -> bool:
        return self._interrupts.received is not None or self.is_complete()

    def _report(self) -> dict[str, Any]:
        return {
            "kind": "collector",
            "steps": self._steps,
            "last_return": None if self._last is None else self._last.total_reward,
            "last_length": None if self._last is None else self._last.length,
            "waiting_for": self._patience.waiting_for,
            **self._policies.report,
        }

    def _new_seed(self) -> int:
        return int(self._seed.spawn(1)[0].generate_state(1)[0] >> 1)

    def close(self) -> None:
        self._heartbeats.stop()
        self._policies.close()
        self._writer.close()
        self._episodes.close()
        self._environment.close()
        self._bar.close()
