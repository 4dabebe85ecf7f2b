"""The learner of a distributed run: samples batches from replay servers, updates, and publishes the
policy through the first server."""

import contextlib
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import reverb

from sac_tf.agents.agent import TrainState
from sac_tf.distributed.connection import Connection, RunDescription, Stopped, describe_task
from sac_tf.distributed.messages import PublishedPolicy, values_of
from sac_tf.distributed.policies import PolicyPublisher
from sac_tf.distributed.remote_replay import Feeder, RemoteReplay
from sac_tf.distributed.server_progress import ServerProgress
from sac_tf.distributed.settings import LearnerSettings, configuration_of
from sac_tf.distributed.waiting import Patience
from sac_tf.networks.running_normalization import make_observer
from sac_tf.replay.mixture import SavedSource
from sac_tf.replay.protocols import RewardScale
from sac_tf.replay.windows import Windows
from sac_tf.runs import folder, task_spec
from sac_tf.runs.checkpoints import CheckpointStore, Progress, saved_on_error, writing
from sac_tf.runs.configuration import Configuration
from sac_tf.runs.lock import locked
from sac_tf.runs.logs import RunLog, say
from sac_tf.runs.periods import is_due
from sac_tf.runs.session import Session, session
from sac_tf.serving.export_policy import refuse_foreign
from sac_tf.training.exporting import export_policy
from sac_tf.training.train import Training
from sac_tf.training.updater import save_run


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
    with locked(Path(root_dir)), session(training.runtime) as opened:
        with contextlib.suppress(Stopped):
            _Run(Path(root_dir), addresses, training, configuration, opened).go()
        return opened.interrupts.received


class _Run:
    """The parts of one call of `run`, and its progress."""

    _published = 0

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
        self._spec = task_spec.load_or_make(root_dir, training.environment_factory)
        self._store = CheckpointStore(root_dir / folder.CHECKPOINTS)
        checkpoint = self._store.latest()
        self._progress = Progress() if checkpoint is None else Progress.load(checkpoint)
        self._servers: ServerProgress | None = None
        task = describe_task(training.environment_factory.title, self._spec)
        run = RunDescription(task, configuration.settings)
        self._connection = opened.open(Connection(addresses, run, self._is_over))
        clients = self._connection.clients
        servers = ServerProgress(clients, training.total_steps, self._progress.step)
        self._servers = opened.open(servers)
        self._feeder = Feeder()
        state = training.make_state(self._spec)
        windows = training.make_windows(self._spec, training.environment_factory.goals())
        self._replay = opened.open(self._make_replay(windows, state, clients, checkpoint))
        rewards = training.make_rewards()
        self._source = self._make_source(windows, state, rewards, checkpoint)
        self._updater = training.make_updater(state, self._source, rewards)
        self._log = opened.open(self._make_log())
        configuration.save(root_dir)
        self._log.settings(configuration.settings)
        task_spec.save(root_dir, self._spec)
        if checkpoint is not None:
            self._updater.restore(checkpoint)
            self._log.resume(self._updater.updates, checkpoint)
        self._rate = (time.monotonic(), self._updater.updates)
        self._publisher = opened.open(PolicyPublisher(clients[0]))
        self._connection.send_heartbeats("learner", self._report)

    def _make_replay(
        self,
        windows: Windows,
        state: TrainState,
        clients: Sequence[reverb.Client],
        checkpoint: Path | None,
    ) -> RemoteReplay:
        return RemoteReplay(
            windows=windows,
            generator=state.generator,
            expected_steps=self._training.total_steps,
            restore_from=None if checkpoint is None else checkpoint / folder.REPLAY,
            clients=clients,
            feeder=self._feeder,
            observe=make_observer(state),
        )

    def _make_source(
        self, windows: Windows, state: TrainState, rewards: RewardScale, checkpoint: Path | None
    ) -> SavedSource:
        prior = self._training.make_prior_data(windows, state, rewards, self._spec, checkpoint)
        return self._training.make_source(self._replay, prior, state)

    def _make_log(self) -> RunLog:
        return self._training.log(
            self._root_dir,
            self._training.total_steps,
            self._updater.metric_names,
            self._progress,
            with_evaluations=False,
            unit="step",
        )

    def go(self) -> None:
        """Learns to the end, or to the first signal."""
        self._publish()
        with saved_on_error(self._save):
            while not self._is_over():
                if self._connection.patience(self._feeder.wait, "rows from the replay servers"):
                    self._update()
            self._save()
            if not self._opened.is_interrupted():
                self._export()
        if not self._opened.is_interrupted():
            self._publish(is_last=True)
            # Collectors and evaluator wait for this policy. The patience of the connection is of no
            # use: it ends with the run, which is complete.
            patience = Patience(self._opened.is_interrupted, say)
            patience(self._publisher.wait, "the replay server to take the last policy")

    def _is_over(self) -> bool:
        is_complete = self._servers is not None and self._servers.is_complete
        return is_complete or self._opened.is_interrupted()

    def _update(self) -> None:
        assert self._servers is not None
        progress = self._progress
        before = progress.step
        self._replay.synchronize(before)
        metrics = self._updater.update(before)
        if self._updater.updates - self._published >= self._publication_period:
            self._publish()
        progress.step = self._servers.steps
        if progress.step == before:
            return
        self._log.advance(progress.step - before, self._servers.finished_episodes())
        if is_due(self._log.period, before, progress.step):
            with writing(self._root_dir):
                self._log.metrics(progress.step, metrics, self._servers.kept, self._updater.updates)
        is_checkpoint_due = is_due(self._training.checkpoint_period, before, progress.step)
        if is_checkpoint_due and self._store.is_affordable():
            self._save()

    def _export(self) -> None:
        with writing(self._root_dir):
            export_policy(
                self._updater.state.policy,
                self._spec,
                self._training.environment_factory,
                self._progress.step,
                self._root_dir,
            )

    def _publish(self, is_last: bool = False) -> None:
        updater = self._updater
        self._published = updater.updates
        self._publisher.offer(
            PublishedPolicy(
                values=values_of(updater.state.policy),
                updates=updater.updates,
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
        self._rate = (now, self._updater.updates)
        return {
            "kind": "learner",
            "updates": self._updater.updates,
            "updates_per_second": (self._updater.updates - updates) / max(now - then, 1e-9),
            "waiting_for": self._connection.patience.waiting_for,
        }

    def _save(self, prefix: str = "step") -> Path:
        self._progress.elapsed = self._log.elapsed
        return save_run(self._store, self._updater, self._source, self._progress, prefix)
