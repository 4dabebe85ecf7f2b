"""The single-process training loop: collect, learn, evaluate, log, checkpoint, resume."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import gin
import numpy as np

from sac_tf.agents.sac.state import MakeState, TrainState
from sac_tf.agents.update import Update, make_update
from sac_tf.environments.environment import Environment
from sac_tf.environments.factory import EnvironmentFactory, Task
from sac_tf.errors import ConfigurationError, require_count, require_number
from sac_tf.replay.replay import Replay
from sac_tf.runs import folder, task_spec
from sac_tf.runs.checkpoints import CheckpointStore, Progress, saved_on_error, writing
from sac_tf.runs.configuration import Configuration
from sac_tf.runs.lock import locked
from sac_tf.runs.logs import RunLog, evaluated_return, say
from sac_tf.runs.periods import CheckpointPeriods, is_due
from sac_tf.runs.runtime import free_closed_runs, set_runtime
from sac_tf.runs.session import Session, session
from sac_tf.seeds import seed_at_step
from sac_tf.serving.export_policy import export, refuse_foreign
from sac_tf.serving.policy_spec import PolicySpec
from sac_tf.training.acting import exploring_actions, uniform_actions
from sac_tf.training.collecting import collect
from sac_tf.training.evaluate import Evaluator
from sac_tf.training.initialization import Initialization
from sac_tf.training.learner import Learner, save_run
from sac_tf.training.outcome import Outcome
from sac_tf.types import EnvironmentSpec, Episode, Evaluation, Nest, Transition

_TRAINING = 0
_EVALUATION = 1
_EXPLORATION = 2
"""Streams of random numbers: training environments, evaluation environments, random actions."""


@gin.configurable("train")
@dataclasses.dataclass(frozen=True)
class Training:
    """Settings of a training run; `run` starts or resumes it. All processes of a distributed run
    share them.

    Attributes:
      environment: Gymnasium id, module:id, module:function, or in Python a function that returns a
        `gymnasium.Env`.
      total_steps: environment steps in all; raise it to continue a complete run.
      random_steps: steps with uniformly random actions, before the policy acts and learning starts.
      evaluation_period: environment steps between two evaluations; there is always one at the end.
      checkpoint_period: environment steps between two checkpoints; there is always one at the end.
        Each starts new episodes, and waits for the end of one in every environment.
      num_environments: training environments stepped together; each counts its own steps.
      seed: of weights, exploration, environments and batches.
      discount: gamma, of one environment step.
      batch_size: transitions in the batch of one update, on all devices together.
      updates_per_step: critic updates per environment step (the UTD ratio).
      initialize_from: folder of another run to start from (fine-tuning); None starts from scratch.
      initialization: f(initialize_from), what is copied from that run.
      environments: makes the environments of the task.
      state: builds the train state: `TrainState`, or `mirrored_state` on several devices.
      update: compiles the update.
      replay: builds the replay of one process.
      evaluator, log: build these parts.
      runtime: sets the TensorFlow runtime.
    """

    environment: Task = gin.REQUIRED
    total_steps: int = 1_000_000
    random_steps: int = 5_000
    evaluation_period: int = 10_000
    checkpoint_period: int = 10_000
    num_environments: int = 1
    seed: int = 0
    discount: float = 0.99
    batch_size: int = 256
    updates_per_step: float = 1.0
    initialize_from: str | None = None
    initialization: Callable[..., Initialization] = Initialization
    environments: Callable[[Task], EnvironmentFactory] = EnvironmentFactory
    state: MakeState = TrainState
    update: Callable[..., Update] = make_update
    replay: Callable[..., Replay] = Replay
    evaluator: Callable[..., Evaluator] = Evaluator
    log: Callable[..., RunLog] = RunLog
    runtime: Callable[[], None] = set_runtime

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.generic):  # NumPy's numbers are written as Python's
                object.__setattr__(self, field.name, value.item())
        if not isinstance(self.environment, str) and not callable(self.environment):
            raise ConfigurationError(
                "train.environment must be the id of a task or a function that makes it, got "
                f"{self.environment!r}."
            )
        for name in ("total_steps", "evaluation_period", "checkpoint_period", "num_environments"):
            require_count(f"train.{name}", getattr(self, name))
        require_count("train.batch_size", self.batch_size)
        for name in ("random_steps", "seed"):
            require_count(f"train.{name}", getattr(self, name), minimum=0)
        require_number(
            "train.discount", self.discount, lambda value: 0 <= value <= 1, "a number from 0 to 1"
        )
        require_number(
            "train.updates_per_step",
            self.updates_per_step,
            lambda ratio: 0 < ratio < math.inf,
            "a number above 0",
        )

    def run(self, root_dir: str) -> Outcome:
        """Trains in the folder `root_dir`, from its last checkpoint if it has one.

        Raises:
          ConfigurationError: a setting that cannot work, or another process trains in the folder;
            nothing was run.
          RunError: a failure while running; the message names the checkpoint that was saved.
        """
        path = Path(root_dir)
        configuration = self.configuration()
        configuration.refuse_other(path)
        refuse_foreign(path / folder.POLICY)
        try:
            with locked(path), session(self.runtime) as opened:
                return _Run(self, path, configuration, opened).go()
        finally:
            free_closed_runs()

    def configuration(self) -> Configuration:
        """Returns all settings of the run; raises ConfigurationError if one has no effect."""
        ignored = {"initialization"} if self.initialize_from is None else set()
        return Configuration.of([self.named()], {"train": ignored})

    def named(self) -> "Training":
        """Returns these settings with the name of the task instead of a function that makes it, as
        files have them."""
        return dataclasses.replace(self, environment=self.environment_factory.title)

    @functools.cached_property
    def environment_factory(self) -> EnvironmentFactory:
        """Makes the environments of the task."""
        return self.environments(self.environment)

    def make_evaluation_environment(self, num_environments: int) -> Environment:
        """Returns environments for evaluation."""
        return self.environment_factory.make(num_environments, is_evaluation=True)

    def make_state(self, spec: EnvironmentSpec) -> TrainState:
        """Returns a new train state for a task."""
        return self.state(spec, self.seed, self.discount)

    def make_acting_state(self, spec: EnvironmentSpec) -> TrainState:
        """Returns a train state on one device, for programs that act and do not learn."""
        return TrainState(spec, self.seed, self.discount)


class _Run:
    """The parts of one call of `Training.run`, and its progress."""

    def __init__(
        self, settings: Training, root_dir: Path, configuration: Configuration, opened: Session
    ):
        self._settings = settings
        self._root_dir = root_dir
        self._opened = opened
        self._evaluation: Evaluation | None = None
        self._store = CheckpointStore(root_dir / folder.CHECKPOINTS)
        checkpoint = self._store.latest()
        self._progress = Progress() if checkpoint is None else Progress.load(checkpoint)
        self._environment: Environment = opened.open(
            settings.environment_factory.make(settings.num_environments)
        )
        spec = self._environment.spec
        task_spec.refuse_other(root_dir, settings.environment_factory.title, spec)
        self._periods = CheckpointPeriods(settings.checkpoint_period, self._environment, say)
        source = self._source(checkpoint)
        self._learner = self._make_learner(source, checkpoint)
        if source is not None:
            say(source.apply(self._learner))
        state = self._learner.state
        self._explore = exploring_actions(state, spec, settings.num_environments)
        self._evaluator = opened.open(
            settings.evaluator(settings.make_evaluation_environment, state)
        )
        self._log = opened.open(self._make_log())
        configuration.save(root_dir)
        task_spec.save(root_dir, spec)
        if checkpoint is not None:
            self._learner.restore(checkpoint)
            self._log.resume(self._learner.updates, checkpoint)

    def _source(self, checkpoint: Path | None) -> Initialization | None:
        """Returns the run to start from, or None; a run with a checkpoint resumes instead."""
        settings = self._settings
        if settings.initialize_from is None or checkpoint is not None:
            return None
        return settings.initialization(settings.initialize_from)

    def _make_learner(self, source: Initialization | None, checkpoint: Path | None) -> Learner:
        settings = self._settings
        spec = self._environment.spec
        state = settings.make_state(spec)
        # The last joint step may exceed total_steps.
        steps_left = max(0, settings.total_steps - self._progress.step)
        expected_rows = steps_left + settings.num_environments
        if source is not None:
            expected_rows += source.expected_rows
        replay = settings.replay(
            spec=spec,
            generator=state.generator,
            discount=settings.discount,
            staging=self._root_dir / folder.CHECKPOINTS / ".reverb",
            expected_rows=expected_rows,
            restore_from=None if checkpoint is None else checkpoint / folder.REPLAY,
        )
        return Learner(
            state,
            self._opened.open(replay),
            settings.update,
            batch_size=settings.batch_size,
            updates_per_step=settings.updates_per_step,
            random_steps=settings.random_steps,
        )

    def _make_log(self) -> RunLog:
        return self._settings.log(
            self._root_dir,
            self._settings.total_steps,
            self._learner.metric_names,
            self._progress,
            with_evaluations=True,
        )

    def go(self) -> Outcome:
        """Runs to the end, or to the first signal."""
        settings = self._settings
        progress = self._progress
        with saved_on_error(self._save):
            is_over = self._is_over()
            while not is_over:
                self._run_period()
                self._learner.replay.end_episodes()
                is_over = self._is_over()  # once: a signal may come at any moment
                if is_over or self._store.is_affordable():
                    self._save()
            if not self._opened.is_interrupted():
                with writing(self._root_dir):
                    export_policy(
                        self._learner.state,
                        self._environment.spec,
                        settings.environment_factory,
                        progress.step,
                        self._root_dir,
                    )
        return Outcome(progress.step, self._evaluation, self._opened.interrupts.received)

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
            ended = [episode.copy for episode in episodes]
            self._learner.add(transition, before + 1, ended)
            progress.step += settings.num_environments
            metrics = self._learner.learn(progress.step) or metrics
            self._log.advance(settings.num_environments, episodes)
            if is_due(self._log.period, before, progress.step):
                size = self._learner.replay.size
                with writing(self._root_dir):
                    self._log.metrics(progress.step, metrics, size, self._learner.updates)
            is_last = progress.step >= settings.total_steps
            if is_last or is_due(settings.evaluation_period, before, progress.step):
                self._evaluate()
            if self._periods.is_over(progress.step, ended) or self._is_over():
                return

    def _experience(self) -> Iterator[tuple[Transition, list[Episode]]]:
        """Yields transitions and ended episodes: of random actions first, then of the policy."""
        settings = self._settings
        spec = self._environment.spec
        uniform = uniform_actions(spec, settings.num_environments, self._seed(_EXPLORATION))

        def act(observation: Nest) -> np.ndarray:
            if self._progress.step < settings.random_steps:
                return uniform(observation)
            return self._explore(observation)

        return collect(self._environment, act, self._seed(_TRAINING))

    def _evaluate(self) -> None:
        self._evaluation = self._evaluator.evaluate(self._seed(_EVALUATION))
        with writing(self._root_dir):
            self._log.evaluation(self._progress.step, self._evaluation)

    def _save(self, prefix: str = "step") -> Path:
        self._progress.elapsed = self._log.elapsed
        return save_run(self._store, self._learner, self._progress, prefix)

    def _seed(self, stream: int) -> int:
        """Returns the seed of `stream` at this step, the same in a resumed run."""
        return seed_at_step(self._settings.seed, stream, self._progress.step)


def export_policy(
    state: TrainState,
    spec: EnvironmentSpec,
    factory: EnvironmentFactory,
    step: int,
    root_dir: Path,
) -> None:
    """Writes the final policy of a run into its folder, with its return at `step`."""
    description = PolicySpec(factory.as_json(), spec, step, evaluated_return(root_dir, step))
    export(state, description, root_dir / folder.POLICY)
