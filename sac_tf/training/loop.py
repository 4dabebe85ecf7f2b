"""The single-process training loop: collect, learn, evaluate, log, checkpoint, resume."""

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sac_tf.agents.agent import TrainState
from sac_tf.agents.policy import Policy
from sac_tf.environments.environment import Environment
from sac_tf.networks.running_normalization import make_observer
from sac_tf.replay.replay import Replay
from sac_tf.replay.windows import Windows
from sac_tf.runs import folder, task_spec
from sac_tf.runs.checkpoints import CheckpointStore, Progress, saved_on_error, writing
from sac_tf.runs.configuration import Configuration
from sac_tf.runs.logs import RunLog, say
from sac_tf.runs.periods import CheckpointPeriods, is_due
from sac_tf.runs.session import Session
from sac_tf.runs.terminal import say_renderer
from sac_tf.seeds import EVALUATION, EXPLORATION, TRAINING, seed_at_step
from sac_tf.training.acting import uniform_actions
from sac_tf.training.collecting import collect
from sac_tf.training.evaluations import RunEvaluations
from sac_tf.training.exporting import export_policy
from sac_tf.training.initialization import Initialization
from sac_tf.training.outcome import Outcome
from sac_tf.training.updater import save_run
from sac_tf.types import Episode, Nest, Transition

if TYPE_CHECKING:
    from sac_tf.training.train import Training


class Run:
    """The parts of one call of `Training.run`, and its progress."""

    def __init__(
        self, settings: "Training", root_dir: Path, configuration: Configuration, opened: Session
    ):
        self._settings = settings
        self._root_dir = root_dir
        self._opened = opened
        self._store = CheckpointStore(root_dir / folder.CHECKPOINTS)
        checkpoint = self._store.latest()
        self._progress = Progress() if checkpoint is None else Progress.load(checkpoint)
        self._progress.require_total(settings.total_steps, settings.num_environments)
        self._environment: Environment = opened.open(
            settings.environment_factory.make(settings.num_environments)
        )
        say_renderer(settings.environment_factory.renderer())
        spec = self._environment.spec
        task_spec.refuse_other(root_dir, settings.environment_factory.title, spec)
        self._periods = CheckpointPeriods(settings.checkpoint_period, self._environment, say)
        # A run that has a checkpoint resumes from that instead.
        initialization = None if checkpoint is not None else settings.starting_point
        windows = settings.make_windows(spec, self._environment.goals)
        state = settings.make_state(spec)
        self._replay = opened.open(self._make_replay(windows, state, initialization, checkpoint))
        rewards = settings.make_rewards()
        self._prior = settings.make_prior_data(windows, state, rewards, spec, checkpoint)
        self._source = settings.make_source(self._replay, self._prior, state)
        self._updater = settings.make_updater(state, self._source, rewards)
        self._observe = make_observer(state)
        if initialization is not None:
            say(initialization.apply(state, rewards, self._replay))
        self._exploration = settings.exploration(
            state.policy, state.exploration_generator, spec, settings.num_environments
        )
        self._evaluations = opened.open(self._make_evaluations(state.policy))
        self._log = opened.open(self._make_log())
        configuration.save(root_dir)
        task_spec.save(root_dir, spec)
        self._log.settings(configuration.settings)
        if checkpoint is not None:
            self._updater.restore(checkpoint)
            self._log.resume(self._updater.updates, checkpoint)

    def _make_replay(
        self,
        windows: Windows,
        state: TrainState,
        initialization: Initialization | None,
        checkpoint: Path | None,
    ) -> Replay:
        settings = self._settings
        # The last joint step may exceed total_steps.
        steps_left = max(0, settings.total_steps - self._progress.step)
        expected_steps = steps_left + settings.num_environments
        if initialization is not None:
            expected_steps += initialization.expected_steps(windows)
        return settings.replay(
            windows=windows,
            num_environments=settings.num_environments,
            generator=state.generator,
            staging=self._root_dir / folder.CHECKPOINTS / ".reverb",
            expected_steps=expected_steps,
            restore_from=None if checkpoint is None else checkpoint / folder.REPLAY,
        )

    def _make_evaluations(self, policy: Policy) -> RunEvaluations:
        return RunEvaluations(
            self._settings,
            self._root_dir,
            self._environment.spec,
            training_environment=self._environment,
            policy=policy,
            is_interrupted=self._opened.is_interrupted,
        )

    def _make_log(self) -> RunLog:
        return self._settings.log(
            self._root_dir,
            self._settings.total_steps,
            self._updater.metric_names,
            self._progress,
            with_evaluations=True,
            unit="step",
        )

    def go(self) -> Outcome:
        """Runs to the end, or to the first signal."""
        settings = self._settings
        progress = self._progress
        with saved_on_error(self._save):
            self._warn_without_updates()
            before = progress.step - settings.num_environments
            if self._is_evaluation_due(before) and self._evaluations.is_missing(progress.step):
                self._evaluate()
            is_over = self._is_over()
            while not is_over:
                self._run_period()
                self._end_episodes()
                is_over = self._is_over()  # once: a signal may come at any moment
                if is_over or self._store.is_affordable():
                    self._save()
            if not self._opened.is_interrupted():
                with writing(self._root_dir):
                    export_policy(
                        self._updater.state.policy,
                        self._environment.spec,
                        settings.environment_factory,
                        progress.step,
                        self._root_dir,
                    )
        return Outcome(progress.step, self._evaluations.last, self._opened.interrupts.received)

    def _is_over(self) -> bool:
        return self._progress.step >= self._settings.total_steps or self._opened.is_interrupted()

    def _run_period(self) -> None:
        """Collects and learns to the end of a checkpoint period.

        Every checkpoint period starts with new episodes and its own seeds. So a resumed run does
        exactly what an uninterrupted run does, and no simulator state has to be saved.
        """
        settings = self._settings
        progress = self._progress
        self._periods.begin(progress.step)
        metrics: dict[str, float] = {}
        for transition, episodes in self._experience():
            before = progress.step
            ended = [episode.environment for episode in episodes]
            self._add(transition, before + 1, ended)
            progress.step += settings.num_environments
            metrics = self._learn(progress.step) or metrics
            self._log.advance(settings.num_environments, episodes)
            if is_due(self._log.period, before, progress.step):
                with writing(self._root_dir):
                    self._log.metrics(
                        progress.step, metrics, self._replay.size, self._updater.updates
                    )
            if self._is_evaluation_due(before):
                self._evaluate()
                if self._evaluations.end_training_episodes:
                    return
            if self._periods.is_over(progress.step, ended) or self._is_over():
                return

    def _experience(self) -> Iterator[tuple[Transition, list[Episode]]]:
        """Yields transitions and ended episodes: of random actions first, then of the policy."""
        settings = self._settings
        spec = self._environment.spec
        uniform = uniform_actions(spec, settings.num_environments, self._seed(EXPLORATION))
        self._exploration.begin()

        def act(observation: Nest) -> np.ndarray:
            if self._progress.step < settings.random_steps:
                return uniform(observation)
            return self._exploration.act(observation)

        return collect(self._environment, act, self._seed(TRAINING))

    def _add(self, transition: Transition, step: int, ended: Collection[int]) -> None:
        """Adds the E transitions of a joint step to the replay and to the running statistics;
        arguments as for `Sink.add`."""
        self._replay.add(transition, step, ended)
        if self._prior is not None:
            self._prior.add(transition, ended)
        self._updater.rewards.update(transition, ended)
        self._observe(transition.observation)

    def _end_episodes(self) -> None:
        """Ends the episodes that have begun: in the replay, the prior data and the statistics."""
        self._replay.end_episodes()
        self._updater.rewards.end_episodes()
        if self._prior is not None:
            self._prior.end_episodes()

    def _learn(self, step: int) -> dict[str, float]:
        """Performs the updates that are due at environment step `step`, in whole calls.

        Returns: metrics of the last update, or {} if no call was due.
        """
        settings = self._settings
        metrics: dict[str, float] = {}
        if self._replay.size == 0:  # the first successor is not stored yet
            return metrics
        due = int((step - settings.learning_starts) * settings.updates_per_step)
        calls = (due - self._updater.updates) // self._updater.updates_per_call
        if calls > 0:
            self._replay.refresh()
        for _ in range(calls):
            metrics = self._updater.update(step)
        return metrics

    def _warn_without_updates(self) -> None:
        """Prints a line if the run will only collect."""
        settings = self._settings
        first = settings.learning_starts + math.ceil(
            self._updater.updates_per_call / settings.updates_per_step
        )
        if settings.total_steps < first:
            say(
                f"The policy will not be trained: train.total_steps={settings.total_steps}, and "
                f"the first updates are due at step {first}."
            )

    def _is_evaluation_due(self, before: int) -> bool:
        """Returns whether the steps since `before` made an evaluation due."""
        step = self._progress.step
        is_last = step >= self._settings.total_steps
        return is_last or is_due(self._settings.evaluation_period, before, step)

    def _evaluate(self) -> None:
        self._evaluations.evaluate(self._progress.step, self._seed(EVALUATION), self._log)

    def _save(self, prefix: str = "step") -> Path:
        self._progress.elapsed = self._log.elapsed
        return save_run(self._store, self._updater, self._source, self._progress, prefix)

    def _seed(self, stream: int) -> int:
        """Returns the seed of `stream` at this step, the same in a resumed run."""
        return seed_at_step(self._settings.seed, stream, self._progress.step)
