"""The single-process training loop: collect, learn, evaluate, log, checkpoint, resume."""

import dataclasses
import math
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import gin
import numpy as np

from sac_tf.agents.sac.state import MakeState, TrainState
from sac_tf.agents.update import Update, make_update
from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment
from sac_tf.errors import ConfigurationError, require_count, require_number
from sac_tf.replay.replay import Replay
from sac_tf.runs import folder
from sac_tf.runs.checkpoints import CheckpointStore, Progress, saved_on_error
from sac_tf.runs.configuration import Configuration
from sac_tf.runs.logs import RunLog, evaluated_return, say
from sac_tf.runs.periods import is_due
from sac_tf.runs.runtime import free_closed_runs, set_runtime
from sac_tf.runs.session import Session, session
from sac_tf.seeds import seed_at_step
from sac_tf.serving.export_policy import export, refuse_foreign
from sac_tf.serving.policy_spec import PolicySpec
from sac_tf.training.acting import exploring_actions, uniform_actions
from sac_tf.training.collecting import collect
from sac_tf.training.evaluate import Evaluator
from sac_tf.training.initialization import Initialization
from sac_tf.training.learner import Learner
from sac_tf.types import EnvironmentSpec, Episode, Evaluation, Transition

_TRAINING = 0
_EVALUATION = 1
_EXPLORATION = 2
"""Streams of random numbers: training environments, evaluation environments, random actions."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How `Training.run` ended.

    Attributes:
      step: environment steps done in all.
      evaluation: the last one of this call; None if there was none.
      stopped_by: the signal that interrupted it; None if it completed.
    """

    step: int
    evaluation: Evaluation | None
    stopped_by: signal.Signals | None


@gin.configurable("train")
@dataclasses.dataclass(frozen=True)
class Training:
    """Settings of a training run; `run` starts or resumes it. All processes of a distributed run
    share them.

    Attributes:
      environment: Gymnasium id, or module:id.
      total_steps: environment steps in all; raise it to continue a complete run.
      random_steps: steps with uniformly random actions, before the policy acts and learning starts.
      evaluation_period: environment steps between two evaluations; there is always one at the end.
      checkpoint_period: environment steps between two checkpoints; likewise at the end.
      num_environments: training environments stepped together; each counts its own steps.
      seed: of weights, exploration, environments and batches.
      discount: gamma, of one environment step.
      batch_size: transitions in the batch of one update, on all devices together.
      updates_per_step: critic updates per environment step (the UTD ratio).
      initialize_from: folder of another run to start from (fine-tuning); None starts from scratch.
      initialization: f(initialize_from), what is copied from that run.
      state: builds the train state: `TrainState`, or `mirrored_state` on several devices.
      update: compiles the update.
      replay: builds the replay of one process.
      evaluator, log, runtime: build or set these parts.
    """

    environment: str = gin.REQUIRED
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
    state: MakeState = TrainState
    update: Callable[..., Update] = make_update
    replay: Callable[..., Replay] = Replay
    evaluator: Callable[..., Evaluator] = Evaluator
    log: Callable[..., RunLog] = RunLog
    runtime: Callable[[], None] = set_runtime

    def __post_init__(self) -> None:
        if not isinstance(self.environment, str):
            raise ConfigurationError(
                f"train.environment must be a string, got {self.environment!r}."
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
          ConfigurationError: a setting that cannot work; nothing was run.
          RunError: something broke; what was collected is saved, and the message says where.
        """
        path = Path(root_dir)
        configuration = self.configuration()
        configuration.refuse_other(path)
        refuse_foreign(path / folder.POLICY)
        try:
            with session(self.runtime) as opened:
                return _Run(self, path, configuration, opened).go()
        finally:
            free_closed_runs()

    def configuration(self) -> Configuration:
        """Returns all settings of the run; raises ConfigurationError if one has no effect."""
        unused = {"initialization"} if self.initialize_from is None else set()
        return Configuration.of([self], {"train": unused})

    def make_state(self, spec: EnvironmentSpec) -> TrainState:
        """Returns a new train state for a task."""
        return self.state(spec, self.seed, self.discount)


class _Run:
    """The parts of one call of `Training.run`, and its progress."""

    def __init__(
        self, settings: Training, root_dir: Path, configuration: Configuration, opened: Session
    ):
        self._settings = settings
        self._root_dir = root_dir
        self._interrupts = opened.interrupts
        self._evaluation: Evaluation | None = None
        self._store = CheckpointStore(root_dir / folder.CHECKPOINTS)
        checkpoint = self._store.latest()
        self._progress = Progress() if checkpoint is None else Progress.load(checkpoint)
        size = settings.num_environments
        self._environment = opened.open(GymnasiumEnvironment(settings.environment, size))
        spec = self._environment.spec
        source = self._source(checkpoint)
        self._learner = opened.open(self._make_learner(spec, source, checkpoint))
        origin = None if source is None else source.apply(self._learner)
        self._evaluator = opened.open(settings.evaluator(settings.environment, self._learner.state))
        self._explore = exploring_actions(self._learner.state, spec, size)
        self._log = opened.open(
            settings.log(
                root_dir,
                settings.total_steps,
                self._learner.metric_names,
                self._progress,
                with_evaluations=True,
            )
        )
        configuration.save(root_dir)
        if origin is not None:
            say(origin)
        if checkpoint is not None:
            self._learner.restore(checkpoint)
            self._log.resume(self._learner.updates, checkpoint)

    def _source(self, checkpoint: Path | None) -> Initialization | None:
        """Returns the run to start from; a run with a checkpoint resumes instead."""
        settings = self._settings
        if settings.initialize_from is None or checkpoint is not None:
            return None
        return settings.initialization(settings.initialize_from)

    def _make_learner(
        self, spec: EnvironmentSpec, source: Initialization | None, checkpoint: Path | None
    ) -> Learner:
        settings = self._settings
        state = settings.make_state(spec)
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
        try:
            return Learner(
                state,
                replay,
                settings.update,
                batch_size=settings.batch_size,
                updates_per_step=settings.updates_per_step,
                random_steps=settings.random_steps,
            )
        except Exception:
            replay.close()
            raise

    def go(self) -> Outcome:
        """Runs to the end, or to the first signal."""
        settings = self._settings
        progress = self._progress
        with saved_on_error(self._root_dir, self._save):
            while progress.step < settings.total_steps and self._interrupts.received is None:
                self._go_to_checkpoint()
                self._save()
            if self._interrupts.received is None:
                export_policy(
                    self._learner.state,
                    self._environment.spec,
                    settings.environment,
                    progress.step,
                    self._root_dir,
                )
        return Outcome(progress.step, self._evaluation, self._interrupts.received)

    def _go_to_checkpoint(self) -> None:
        """Collects and learns until a checkpoint is due.

        Every checkpoint period starts with fresh episodes and its own seeds. So a resumed run does
        exactly what an uninterrupted run does: no simulator state has to be saved.
        """
        settings = self._settings
        progress = self._progress
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
                self._log.metrics(progress.step, metrics, size, self._learner.updates)
            is_last = progress.step >= settings.total_steps
            if is_last or is_due(settings.evaluation_period, before, progress.step):
                self._evaluate()
            if is_last or is_due(settings.checkpoint_period, before, progress.step):
                return
            if self._interrupts.received is not None:
                return

    def _experience(self) -> Iterator[tuple[Transition, list[Episode]]]:
        settings = self._settings
        spec = self._environment.spec
        uniform = uniform_actions(spec, settings.num_environments, self._seed(_EXPLORATION))

        def act(observation: np.ndarray) -> np.ndarray:
            is_random = self._progress.step < settings.random_steps
            return uniform(observation) if is_random else self._explore(observation)

        return collect(self._environment, act, self._seed(_TRAINING))

    def _evaluate(self) -> None:
        self._evaluation = self._evaluator.evaluate(self._seed(_EVALUATION))
        self._log.evaluation(self._progress.step, self._evaluation)

    def _save(self, prefix: str = "step") -> Path:
        self._progress.elapsed = self._log.elapsed
        return save_run(self._store, self._learner, self._progress, prefix)

    def _seed(self, stream: int) -> int:
        """Returns a seed for `stream`, the same whenever the run reaches this step."""
        return seed_at_step(self._settings.seed, stream, self._progress.step)


def save_run(
    store: CheckpointStore, learner: Learner, progress: Progress, prefix: str = "step"
) -> Path:
    """Makes a checkpoint of `learner` at `progress`, and returns its folder; raises OSError."""

    def write(checkpoint: Path) -> None:
        learner.save(checkpoint)
        progress.save(checkpoint)

    return store.save(progress.step, write, prefix)


def export_policy(
    state: TrainState, spec: EnvironmentSpec, environment_id: str, step: int, root_dir: Path
) -> None:
    """Writes the final policy of a run into its folder, with its return at `step`."""
    description = PolicySpec.of(environment_id, spec, step, evaluated_return(root_dir, step))
    export(state, spec, description, root_dir / folder.POLICY)
