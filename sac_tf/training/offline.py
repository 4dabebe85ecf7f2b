"""Offline training: learns from a data set instead of from an environment, in which the policy is
only evaluated."""

import dataclasses
from pathlib import Path

import gin

from sac_tf.agents.policy import Policy
from sac_tf.errors import ConfigurationError, require_count, require_number
from sac_tf.files import absolute
from sac_tf.replay.dataset import RECORDED_SPACES
from sac_tf.replay.prior_data import Episodes, PriorData
from sac_tf.runs import folder, task_spec
from sac_tf.runs.checkpoints import CheckpointStore, Progress, saved_on_error, writing
from sac_tf.runs.configuration import Configuration
from sac_tf.runs.lock import locked
from sac_tf.runs.logs import RunLog, say
from sac_tf.runs.periods import is_due
from sac_tf.runs.runtime import free_closed_runs
from sac_tf.runs.session import Session, session
from sac_tf.seeds import EVALUATION, seed_at_step
from sac_tf.serving.export_policy import refuse_foreign
from sac_tf.training.datasets import absolute_name, fill_with_statistics, open_episodes
from sac_tf.training.evaluations import RunEvaluations
from sac_tf.training.exporting import export_policy
from sac_tf.training.held_out import HeldOut, RemainingEpisodes
from sac_tf.training.outcome import Outcome
from sac_tf.training.train import Training
from sac_tf.training.updater import save_run

OF_COLLECTING = {
    "total_steps",
    "random_steps",
    "evaluation_period",
    "checkpoint_period",
    "num_environments",
    "updates_per_step",
    "exploration",
    "replay",
    "prior_data",
}
"""Settings of `train` without effect."""
OF_TABLES = {"capacity", "minimum_size", "sampler", "remover", "rate_limiter"}
"""Settings of `tables`, which a data set does not have."""


@gin.configurable("train_offline")
@dataclasses.dataclass(frozen=True)
class OfflineSettings:
    """Settings of `binaries.train_offline`, besides those of `train` that it shares.

    Attributes:
      dataset: id of a Minari data set in the local store, its folder, or the folder of another run
        whose steps are used.
      updates: critic updates in all, in whole calls of the update; raise it to continue a complete
        run.
      evaluation_period: updates between two evaluations; there is always one at the end.
      checkpoint_period: updates between two checkpoints; there is always one at the end.
      held_out: share of the episodes that are not learned from, for metrics of policy and critics.
    """

    dataset: str = gin.REQUIRED
    updates: int = 100_000
    evaluation_period: int = 5_000
    checkpoint_period: int = 5_000
    held_out: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.dataset, str) or not self.dataset:
            raise ConfigurationError(
                "train_offline.dataset must be the id of a Minari data set or a folder, got "
                f"{self.dataset!r}."
            )
        object.__setattr__(self, "dataset", absolute_name(self.dataset))
        for name in ("updates", "evaluation_period", "checkpoint_period"):
            require_count(f"train_offline.{name}", getattr(self, name))
        require_number(
            "train_offline.held_out",
            self.held_out,
            lambda share: 0 <= share < 1,
            "a number from 0 on and below 1",
        )


def bind_spaces(dataset: str) -> None:
    """Makes gin's settings those of a run without a task: the spaces of its data set stand for it,
    and nothing is evaluated.

    Args:
      dataset: as `OfflineSettings.dataset`, of Minari.
    """
    with gin.unlock_config():
        gin.bind_parameter("train.environment", RECORDED_SPACES)
        gin.bind_parameter("environment.arguments", {"dataset": dataset})
        gin.bind_parameter("Evaluator.episodes", 0)


def run(root_dir: str, training: Training, settings: OfflineSettings) -> Outcome:
    """Learns in the folder `root_dir`, from its last checkpoint if it has one, to the end.

    Args:
      root_dir: of the run.
      training: settings of the run that are not only about collecting.
      settings: of offline training.

    Returns: the outcome, whose step is the number of updates.

    Raises:
      ConfigurationError: a setting or a data set that cannot work; nothing was run.
      RunError: a failure while running; the message names the checkpoint that was saved.
    """
    path = absolute(root_dir)  # a task may change the working directory
    configuration = configuration_of(training, settings)
    configuration.refuse_other(path)
    for name in (folder.POLICY, folder.BEST_POLICY):
        refuse_foreign(path / name)
    try:
        with locked(path), session(training.runtime) as opened:
            return _Run(training, settings, path, configuration, opened).go()
    finally:
        free_closed_runs()


def configuration_of(training: Training, settings: OfflineSettings) -> Configuration:
    """Returns all settings of an offline run; raises ConfigurationError if one has no effect."""
    ignored = {"train": set(OF_COLLECTING), "Initialization": {"replay", "warm_up_steps"}}
    if training.initialize_from is None:
        ignored["train"].add("initialization")
    return Configuration.of(
        [training.named(), settings], ignored, may_change=("train_offline.updates",)
    )


class _Run:
    """The parts of one call of `run`, and its progress: a step is an update."""

    def __init__(
        self,
        training: Training,
        settings: OfflineSettings,
        root_dir: Path,
        configuration: Configuration,
        opened: Session,
    ):
        self._training = training
        self._settings = settings
        self._root_dir = root_dir
        self._opened = opened
        self._store = CheckpointStore(root_dir / folder.CHECKPOINTS)
        checkpoint = self._store.latest()
        self._progress = Progress() if checkpoint is None else Progress.load(checkpoint)
        self._factory = training.environment_factory
        self._spec = self._factory.spec()
        task_spec.refuse_other(root_dir, self._factory.title, self._spec)
        state = training.make_state(self._spec)
        self._windows = training.make_windows(self._spec, self._factory.goals())
        self._episodes = self._open_episodes()
        self._data = PriorData(self._windows, self._episodes, state.generator)
        self._updater = training.make_updater(state, self._data, training.make_rewards())
        self._refuse_fewer_updates()
        if checkpoint is None:
            self._start()
        else:
            self._data.fill()
            self._data.restore(checkpoint / folder.REPLAY)
        self._held_out = self._make_held_out()
        self._evaluations = opened.open(self._make_evaluations(state.policy))
        self._log = opened.open(self._make_log())
        self._log.settings(configuration.settings)
        configuration.save(root_dir)
        task_spec.save(root_dir, self._spec)
        if checkpoint is not None:
            self._updater.restore(checkpoint)
            self._log.resume(self._updater.updates, checkpoint)

    def _open_episodes(self) -> Episodes:
        settings = self._settings
        episodes = open_episodes(settings.dataset, self._factory.title, self._spec)
        return RemainingEpisodes(episodes, settings.held_out) if settings.held_out else episodes

    def _make_held_out(self) -> HeldOut | None:
        """Returns what evaluates on held-out episodes, which are known when the data are read."""
        if not isinstance(self._episodes, RemainingEpisodes):
            return None
        updater = self._updater
        held_out = self._episodes.held_out
        return HeldOut(updater.state, held_out, self._windows, updater.rewards)

    def _refuse_fewer_updates(self) -> None:
        done = self._progress.step
        if done >= self._settings.updates + self._updater.updates_per_call:
            raise ConfigurationError(
                f"train_offline.updates={self._settings.updates:,} is below the {done:,} updates "
                "that the run has done; give at least that number."
            )

    def _start(self) -> None:
        """Begins a new run: its weights, and statistics of the data set."""
        start = self._training.starting_point
        if start is not None:
            say(start.apply(self._updater.state, self._updater.rewards, None))
        fill_with_statistics(self._data, self._updater.state, self._updater.rewards)

    def _make_evaluations(self, policy: Policy) -> RunEvaluations:
        return RunEvaluations(
            self._training,
            self._root_dir,
            self._spec,
            training_environment=None,
            policy=policy,
            is_interrupted=self._opened.is_interrupted,
        )

    def _make_log(self) -> RunLog:
        held_out = () if self._held_out is None else self._held_out.metric_names
        return self._training.log(
            self._root_dir,
            self._settings.updates,
            (*self._updater.metric_names, *held_out),
            self._progress,
            with_evaluations=True,
            unit="update",
        )

    def go(self) -> Outcome:
        """Learns to the end, or to the first signal."""
        progress = self._progress
        with saved_on_error(self._save):
            before = progress.step - self._updater.updates_per_call
            if self._is_evaluation_due(before) and self._evaluations.is_missing(progress.step):
                self._evaluate()
            is_over = self._is_over()
            while not is_over:
                before = progress.step
                self._update()
                is_over = self._is_over()  # once: a signal may come at any moment
                is_due_now = is_due(self._settings.checkpoint_period, before, progress.step)
                if is_over or (is_due_now and self._store.is_affordable()):
                    self._save()
            if not self._opened.is_interrupted():
                with writing(self._root_dir):
                    export_policy(
                        self._updater.state.policy,
                        self._spec,
                        self._factory,
                        progress.step,
                        self._root_dir,
                    )
        return Outcome(progress.step, self._evaluations.last, self._opened.interrupts.received)

    def _is_over(self) -> bool:
        return self._progress.step >= self._settings.updates or self._opened.is_interrupted()

    def _update(self) -> None:
        """Performs one call of the update, and what is due after it."""
        progress = self._progress
        before = progress.step
        metrics = self._updater.update(before)
        progress.step = self._updater.updates
        self._log.advance(progress.step - before, [])
        if is_due(self._log.period, before, progress.step):
            if self._held_out is not None:
                metrics |= self._held_out.metrics()
            with writing(self._root_dir):
                self._log.metrics(progress.step, metrics, self._data.size, progress.step)
        if self._is_evaluation_due(before):
            self._evaluate()

    def _is_evaluation_due(self, before: int) -> bool:
        """Returns whether the updates since `before` made an evaluation due."""
        step = self._progress.step
        is_last = step >= self._settings.updates
        return is_last or is_due(self._settings.evaluation_period, before, step)

    def _evaluate(self) -> None:
        step = self._progress.step
        seed = seed_at_step(self._training.seed, EVALUATION, step)
        self._evaluations.evaluate(step, seed, self._log)

    def _save(self, prefix: str = "step") -> Path:
        self._progress.elapsed = self._log.elapsed
        return save_run(self._store, self._updater, self._data, self._progress, prefix)
