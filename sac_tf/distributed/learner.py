"""A learner of its own process: batches come from replay servers, the policy goes out through the
first of them."""

import dataclasses
import functools
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gin
import reverb

from sac_tf.distributed.connection import connect, describe_task
from sac_tf.distributed.messages import BOARD_TABLE, Policy, actor_values, hear
from sac_tf.distributed.policies import PolicyPublisher
from sac_tf.distributed.remote_replay import Feeder, RemoteReplay
from sac_tf.distributed.status import send_heartbeats
from sac_tf.distributed.waiting import Patience, Repeating
from sac_tf.environments.gymnasium_environment import spec_of
from sac_tf.errors import ConfigurationError, require_count
from sac_tf.replay.reader import BatchReader
from sac_tf.runs import configuration
from sac_tf.runs.checkpoints import CheckpointStore, Progress
from sac_tf.runs.interrupts import Interrupts
from sac_tf.runs.logs import say
from sac_tf.serving.export_policy import refuse_foreign
from sac_tf.training.train import POLICY_FOLDER, Training, export_policy, save_run, saving_on_error
from sac_tf.types import Episode

_LOOK_S = 1.0
"""Between two looks at how the servers are."""


@gin.configurable("learn")
@dataclasses.dataclass(frozen=True)
class Learning:
    """The learner of a run.

    Attributes:
      publication_period: critic updates between two publications of the policy.
      patience: f(is_over, say) waits for the servers and for rows.
      connect: f(addresses, task, patience).
      reader: f(packer, addresses, capacity, expected_rows, generator, feed=).
    """

    publication_period: int = 100
    patience: Callable[..., Patience] = Patience
    connect: Callable[..., list[reverb.Client]] = connect
    reader: Callable[..., BatchReader] = BatchReader

    def __post_init__(self) -> None:
        require_count("learn.publication_period", self.publication_period)

    def run(
        self, root_dir: str, addresses: Sequence[str], training: Training
    ) -> signal.Signals | None:
        """Learns in the folder `root_dir`, from its last checkpoint if it has one, until the run is
        complete.

        Args:
          root_dir: of the run: its checkpoints, metrics and final policy.
          addresses: of the replay servers.
          training: settings of the run.

        Returns: the signal that stopped it, or None.

        Raises:
          ConfigurationError: something asked for cannot work.
          RunError: something broke, or the servers did not come back within the patience; the state
            is saved.
        """
        configuration.refuse_other_configuration(Path(root_dir))
        refuse_foreign(Path(root_dir) / POLICY_FOLDER)
        if training.initialize_from is not None:
            raise ConfigurationError(
                "train.initialize_from is for one process (binaries.train); leave it out here."
            )
        training.runtime()
        with Interrupts() as interrupts:
            run = _Run(self, Path(root_dir), addresses, training, interrupts)
            try:
                run.go()
            finally:
                run.close()
        return interrupts.received


class _Servers:
    """What the boards of the replay servers say, read once a second in a thread.

    Attributes:
      steps: environment steps collected, those that a dying server lost among them: it only grows,
        even if a server comes back without its folder.
      kept: rows in the replay tables.
      is_complete: all steps are done, and the limiter has given all the rows that go with them.
      samples_per_insert: of the limiter; None if it holds no ratio.
    """

    def __init__(self, clients: Sequence[reverb.Client], total_steps: int, steps: int):
        """Asks for the first time; the learner knows of `steps` already."""
        self._clients, self._total_steps = clients, total_steps
        self._seen: dict[str, int] = {}
        self.steps, self._forgotten = steps, 0
        self._times = [0.0] * len(clients)
        self._look()
        self._thread = Repeating(self._look, _LOOK_S, "replay servers")

    def finished_episodes(self) -> list[Episode]:
        """Returns the newest episode of each collector that went on since the last call."""
        episodes = []
        for who, message in self._processes.items():
            is_collector = message["kind"] == "collector" and message["last_return"] is not None
            if is_collector and self._seen.get(who) != message["steps"]:
                self._seen[who] = message["steps"]
                episodes.append(Episode(message["last_return"], message["last_length"], 0))
        return episodes

    def close(self) -> None:
        self._thread.stop()

    def _look(self) -> None:
        boards = [hear(client, BOARD_TABLE)[0] for client in self._clients]
        then, self._times = self._times, [board["time"] for board in boards]
        if any(now < before for now, before in zip(self._times, then, strict=True)):
            return  # a server that starts again shows the board of its checkpoint for a moment
        inserted, sampled, self.kept = (
            sum(board["rows"][name] for board in boards) for name in ("inserted", "sampled", "kept")
        )
        gone, first = (
            sum(board[name] for board in boards) for name in ("rows_gone", "minimum_rows")
        )
        self._forgotten = max(self._forgotten, self.steps - inserted - gone)
        self.steps = inserted + gone + self._forgotten
        self.samples_per_insert: float | None = boards[0]["samples_per_insert"]
        due = (self.samples_per_insert or 0.0) * (
            self._total_steps - gone - self._forgotten - first
        )
        self.is_complete = self.steps >= self._total_steps and sampled >= due
        self._processes: dict[str, dict[str, Any]] = boards[0]["processes"]


class _Run:
    """The parts of one call of `Learning.run`, and where it is."""

    def __init__(
        self,
        settings: Learning,
        root_dir: Path,
        addresses: Sequence[str],
        training: Training,
        interrupts: Interrupts,
    ):
        self._settings, self._root_dir, self._training, self._interrupts = (
            settings,
            root_dir,
            training,
            interrupts,
        )
        self._spec = spec_of(training.environment)
        self._store = CheckpointStore(root_dir / "checkpoints")
        checkpoint = self._store.latest()
        self._progress = Progress() if checkpoint is None else Progress.load(checkpoint)
        self._patience = settings.patience(lambda: interrupts.received is not None, say)
        task = describe_task(training.environment, self._spec)
        clients = settings.connect(addresses, task, self._patience)
        self._servers, self._feeder = (
            _Servers(clients, training.total_steps, self._progress.step),
            Feeder(),
        )
        replay = functools.partial(
            RemoteReplay, clients=clients, reader=settings.reader, feeder=self._feeder
        )
        staging, rows = root_dir / "checkpoints", training.total_steps
        self._learner = training.learner(
            self._spec,
            training.seed,
            staging,
            rows,
            training.random_steps,
            checkpoint,
            replay=replay,
        )
        assert isinstance(self._learner.replay, RemoteReplay)
        self._replay = self._learner.replay
        self._refuse_other_ratio()
        self._log = training.log(
            root_dir, training.total_steps, self._learner.metric_names, self._progress, False
        )
        configuration.save_or_compare(root_dir)
        if checkpoint is not None:
            self._learner.restore(checkpoint)
            self._log.go_on(self._learner.updates, checkpoint)
        self._rate = (time.monotonic(), self._learner.updates)
        self._published = 0
        self._publisher = PolicyPublisher(clients[0])
        self._heartbeats = send_heartbeats(clients[0], "learner", self._report)

    def go(self) -> None:
        """Learns to the end, or to the first signal."""
        self._publish()
        with saving_on_error(self._root_dir, self._save):
            while self._interrupts.received is None and not self._servers.is_complete:
                if self._patience(self._feeder.wait, "rows from the replay servers"):
                    self._update()
            self._save()
            if self._interrupts.received is None:
                export_policy(
                    self._learner.state,
                    self._spec,
                    self._training,
                    self._progress.step,
                    self._root_dir,
                )
                self._publish(is_last=True)

    def _update(self) -> None:
        before, progress = self._progress.step, self._progress
        self._replay.receive(before)
        metrics = self._learner.update(before)
        if self._learner.updates - self._published >= self._settings.publication_period:
            self._publish()
        progress.step = self._servers.steps
        if progress.step == before:
            return
        self._log.advance(progress.step - before, self._servers.finished_episodes())
        if progress.step // self._log.period > before // self._log.period:
            self._log.metrics(progress.step, metrics, self._servers.kept, self._learner.updates)
        if (
            progress.step // self._training.checkpoint_period
            > before // self._training.checkpoint_period
        ):
            self._save()

    def _refuse_other_ratio(self) -> None:
        there, here = self._servers.samples_per_insert, self._learner.samples_per_step
        if there is not None and there != here:
            raise ConfigurationError(
                f"The replay server gives {there:g} samples for each row, and "
                f"learner.updates_per_step times "
                f"make_update.batch_size is {here:g}; give server and learner the same gin files "
                f"and bindings."
            )

    def _publish(self, is_last: bool = False) -> None:
        learner, step = self._learner, self._progress.step
        values, priority = actor_values(learner.state.actor), self._replay.new_priority
        self._published = learner.updates
        self._publisher.offer(
            Policy(
                values,
                learner.updates,
                step,
                self._log.elapsed,
                priority,
                float(is_last),
                time.time(),
            )
        )

    def _report(self) -> dict[str, Any]:
        (then, updates), now = self._rate, time.monotonic()
        self._rate = now, self._learner.updates
        return {
            "kind": "learner",
            "updates": self._learner.updates,
            "updates_per_second": (self._learner.updates - updates) / max(now - then, 1e-9),
            "waiting_for": self._patience.waiting_for,
        }

    def _save(self, prefix: str = "step") -> Path:
        self._progress.elapsed = self._log.elapsed
        return save_run(self._store, self._learner, self._progress, prefix)

    def close(self) -> None:
        self._publisher.close()
        self._heartbeats.stop()
        self._servers.close()
        self._log.close()
        self._learner.close()
