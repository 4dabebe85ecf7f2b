"""The learner of a distributed run: batches come from replay servers, the policy is published
through the first of them."""

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sac_tf.distributed.connection import Connection, describe_task
from sac_tf.distributed.messages import Policy, actor_values
from sac_tf.distributed.policies import PolicyPublisher
from sac_tf.distributed.remote_replay import Feeder, RemoteReplay
from sac_tf.distributed.server_progress import ServerProgress
from sac_tf.distributed.settings import OF_A_PROCESS, LearnerSettings, configuration_of
from sac_tf.environments.gymnasium_environment import spec_of
from sac_tf.runs import folder
from sac_tf.runs.checkpoints import CheckpointStore, Progress, saved_on_error
from sac_tf.runs.configuration import Configuration
from sac_tf.runs.periods import is_due
from sac_tf.runs.session import Session, session
from sac_tf.serving.export_policy import refuse_foreign
from sac_tf.training.learner import Learner
from sac_tf.training.train import Training, export_policy, save_run


def run(root_dir: str, addresses: Sequence[str], training: Training) -> signal.Signals | None:
    """Learns in the folder `root_dir`, from its last checkpoint if it has one, to the end.

    Args:
      root_dir: of the run: its checkpoints, metrics and final policy.
      addresses: of the replay servers.
      training: settings of the run.

    Returns: the signal that interrupted it, or None if the run is complete.

    Raises:
      ConfigurationError: a setting that cannot work.
      RunError: something broke, or the servers did not come back in time; the state is saved.
    """
    configuration = configuration_of(training)
    configuration.refuse_other(Path(root_dir))
    refuse_foreign(Path(root_dir) / folder.POLICY)
    with session(training.runtime) as opened:
        _Run(Path(root_dir), addresses, training, configuration, opened).go()
        return opened.interrupts.received


class _Run:
    """The parts of one call of `run`, and its progress."""

    def __init__(
        self,
        root_dir: Path,
        addresses: Sequence[str],
        training: Training,
        configuration: Configuration,
        opened: Session,
    ):
        self._root_dir = root_dir
        self._training = training
        self._opened = opened
        self._publication_period = LearnerSettings().publication_period
        self._spec = spec_of(training.environment)
        self._store = CheckpointStore(root_dir / folder.CHECKPOINTS)
        checkpoint = self._store.latest()
        self._progress = Progress() if checkpoint is None else Progress.load(checkpoint)
        task = describe_task(training.environment, self._spec)
        self._connection = opened.open(
            Connection(addresses, task, configuration.settings, OF_A_PROCESS, opened.is_interrupted)
        )
        clients = self._connection.clients
        self._servers = opened.open(
            ServerProgress(clients, training.total_steps, self._progress.step)
        )
        self._feeder = Feeder()
        state = training.make_state(self._spec)
        self._replay = RemoteReplay(
            spec=self._spec,
            generator=state.generator,
            discount=training.discount,
            expected_rows=training.total_steps,
            clients=clients,
            feeder=self._feeder,
        )
        self._learner = Learner(
            state,
            self._replay,  # type: ignore[arg-type]  # `add` and `learn` are never called here
            training.update,
            batch_size=training.batch_size,
            updates_per_step=training.updates_per_step,
            random_steps=training.random_steps,
        )
        self._log = opened.open(
            training.log(
                root_dir,
                training.total_steps,
                self._learner.metric_names,
                self._progress,
                with_evaluations=False,
            )
        )
        configuration.save(root_dir)
        if checkpoint is not None:
            self._learner.restore(checkpoint)
            self._log.resume(self._learner.updates, checkpoint)
        self._rate = (time.monotonic(), self._learner.updates)
        self._published = 0
        self._publisher = opened.open(PolicyPublisher(clients[0]))
        self._connection.send_heartbeats("learner", self._report)

    def go(self) -> None:
        """Learns to the end, or to the first signal."""
        self._publish()
        with saved_on_error(self._root_dir, self._save):
            while not self._opened.is_interrupted() and not self._servers.is_complete:
                if self._connection.patience(self._feeder.wait, "rows from the replay servers"):
                    self._update()
            self._save()
            if not self._opened.is_interrupted():
                export_policy(
                    self._learner.state,
                    self._spec,
                    self._training.environment,
                    self._progress.step,
                    self._root_dir,
                )
                self._publish(is_last=True)

    def _update(self) -> None:
        progress = self._progress
        before = progress.step
        self._replay.synchronize(before)
        metrics = self._learner.update(before)
        if self._learner.updates - self._published >= self._publication_period:
            self._publish()
        progress.step = self._servers.steps
        if progress.step == before:
            return
        self._log.advance(progress.step - before, self._servers.finished_episodes())
        if is_due(self._log.period, before, progress.step):
            self._log.metrics(progress.step, metrics, self._servers.kept, self._learner.updates)
        if is_due(self._training.checkpoint_period, before, progress.step):
            self._save()

    def _publish(self, is_last: bool = False) -> None:
        learner = self._learner
        self._published = learner.updates
        self._publisher.offer(
            Policy(
                values=actor_values(learner.state.actor),
                updates=learner.updates,
                step=self._progress.step,
                elapsed=self._log.elapsed,
                new_priority=self._replay.new_priority,
                is_last=is_last,
                published=time.time(),
            )
        )

    def _report(self) -> dict[str, Any]:
        then, updates = self._rate
        now = time.monotonic()
        self._rate = (now, self._learner.updates)
        return {
            "kind": "learner",
            "updates": self._learner.updates,
            "updates_per_second": (self._learner.updates - updates) / max(now - then, 1e-9),
            "waiting_for": self._connection.patience.waiting_for,
        }

    def _save(self, prefix: str = "step") -> Path:
        self._progress.elapsed = self._log.elapsed
        return save_run(self._store, self._learner, self._progress, prefix)
