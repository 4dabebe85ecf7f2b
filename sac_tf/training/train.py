"""One process, from the first step to the trained policy: collect, learn, evaluate, log, save, and
go on later."""

import dataclasses
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gin
import numpy as np

from sac_tf.agents.sac.state import TrainState
from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment
from sac_tf.errors import ConfigurationError, Diverged, RunError, require_count
from sac_tf.runs import configuration
from sac_tf.runs.checkpoints import CheckpointStore, Progress
from sac_tf.runs.interrupts import Interrupts
from sac_tf.runs.logs import RunLog, evaluated_return, say
from sac_tf.runs.runtime import free_closed_runs, set_runtime
from sac_tf.serving.export_policy import export, refuse_foreign
from sac_tf.serving.policy_spec import PolicySpec
from sac_tf.training.acting import exploring_actions, uniform_actions
from sac_tf.training.collecting import collect
from sac_tf.training.evaluate import Evaluator
from sac_tf.training.initialization import Initialization
from sac_tf.training.learner import Learner
from sac_tf.types import EnvironmentSpec, Episode, Evaluation, Transition

POLICY_FOLDER = "policy"
"""Where in its folder a finished run exports its policy."""

_TRAINING, _EVALUATION, _EXPLORATION = range(3)
"""Streams of random numbers that must not meet."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How `train` ended.

    Attributes:
      step: environment steps done in all.
      evaluation: the last one of this call; None if there was none.
      stopped_by: the signal that stopped it; None if it came to its end.
    """

    step: int
    evaluation: Evaluation | None
    stopped_by: signal.Signals | None


@gin.configurable("train")
@dataclasses.dataclass(frozen=True)
class Training:
    """A training run: what it is made of, and `run`, which does it or goes on with it.

    Attributes:
      environment: Gymnasium id, or module:id.
      total_steps: environment steps in all; a finished run goes on if this is raised.
      random_steps: steps with uniformly random actions, before the policy acts and learning starts.
      evaluation_period: environment steps between two evaluations; there is always one at the end.
      checkpoint_period: environment steps between two checkpoints; likewise.
      num_environments: training environments stepped together; each counts its own steps.
      seed: of weights, exploration, environments and batches.
      initialize_from: folder of another run to start from; None starts from nothing.
      initialization: f(initialize_from), what of it is taken over.
      learner, evaluator, log, runtime: what it is built from.
    """

    environment: str = gin.REQUIRED
    total_steps: int = 1_000_000
    random_steps: int = 5_000
    evaluation_period: int = 10_000
    checkpoint_period: int = 10_000
    num_environments: int = 1
    seed: int = 0
    initialize_from: str | None = None
    initialization: Callable[..., Initialization] = Initialization
    learner: Callable[..., Learner] = Learner
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
        for name in ("random_steps", "seed"):
            require_count(f"train.{name}", getattr(self, name), minimum=0)

    def run(self, root_dir: str) -> Outcome:
        """Trains in the folder `root_dir`, from its last checkpoint if it has one.

        Raises:
          ConfigurationError: something asked for cannot work; nothing has been run.
          RunError: something broke; what was collected is saved, and the message says where.
        """
        configuration.refuse_other_configuration(Path(root_dir))
        refuse_foreign(Path(root_dir) / POLICY_FOLDER)
        self.runtime()
        run = _Run(self, Path(root_dir))
        try:
            with Interrupts() as interrupts:
                return run.go(interrupts)
        finally:
            run.close()
            del run
            free_closed_runs()


class _Run:
    """The parts of one call of `Training.run`, and where it is."""

    def __init__(self, settings: Training, root_dir: Path):
        self._settings, self._root_dir = settings, root_dir
        self._environment = GymnasiumEnvironment(settings.environment, settings.num_environments)
        spec, size = self._environment.spec, settings.num_environments
        self._store = CheckpointStore(root_dir / "checkpoints")
        checkpoint = self._store.latest()
        self._progress = Progress() if checkpoint is None else Progress.load(checkpoint)
        source = (
            None
            if settings.initialize_from is None
            else settings.initialization(settings.initialize_from)
        )
        if checkpoint is not None:
            source = None  # made all the same, so that its settings stay part of the configuration
        staging, rows = (
            root_dir / "checkpoints" / ".reverb",
            max(0, settings.total_steps - self._progress.step) + size,
        )
        rows += 0 if source is None else source.expected_rows
        self._learner = settings.learner(
            spec, settings.seed, staging, rows, settings.random_steps, checkpoint
        )
        origin = None if source is None else source.apply(self._learner)
        self._evaluator = settings.evaluator(settings.environment, self._learner.state)
        self._explore = exploring_actions(self._learner.state, spec, size)
        self._log = settings.log(
            root_dir, settings.total_steps, self._learner.metric_names, self._progress
        )
        configuration.refuse_idle_bindings()
        configuration.refuse_unequal_gammas()
        configuration.save_or_compare(root_dir)
        if origin is not None:
            say(origin)
        if checkpoint is not None:
            self._learner.restore(checkpoint)
            self._log.go_on(self._learner.updates, checkpoint)
        self._evaluation: Evaluation | None = None

    def go(self, interrupts: Interrupts) -> Outcome:
        """Runs to the end, or to the first signal."""
        progress, settings = self._progress, self._settings
        with saving_on_error(self._root_dir, self._save):
            while progress.step < settings.total_steps and interrupts.received is None:
                self._go_to_checkpoint(interrupts)
                self._save()
            if interrupts.received is None:
                export_policy(
                    self._learner.state,
                    self._environment.spec,
                    settings,
                    progress.step,
                    self._root_dir,
                )
        return Outcome(progress.step, self._evaluation, interrupts.received)

    def _go_to_checkpoint(self, interrupts: Interrupts) -> None:
        """Collects and learns until a checkpoint is due.

        Every checkpoint period starts with fresh episodes and its own seeds. So a run that goes on
        from a
        checkpoint does exactly what the run that was not interrupted does: no simulator state has
          to be saved.
        """
        settings = self._settings
        metrics: dict[str, float] = {}
        for transition, episodes in self._experience():
            self._learner.add(
                transition, self._progress.step + 1, [episode.copy for episode in episodes]
            )
            self._progress.step += settings.num_environments
            metrics = self._learner.learn(self._progress.step) or metrics
            self._log.advance(settings.num_environments, episodes)
            ended = self._progress.step >= settings.total_steps
            if self._is_due(self._log.period):
                self._log.metrics(
                    self._progress.step, metrics, self._learner.replay.size, self._learner.updates
                )
            if ended or self._is_due(settings.evaluation_period):
                self._evaluate()
            if ended or self._is_due(settings.checkpoint_period) or interrupts.received is not None:
                return

    def _experience(self) -> Iterator[tuple[Transition, list[Episode]]]:
        spec, size = self._environment.spec, self._settings.num_environments
        uniform = uniform_actions(spec, size, self._seed(_EXPLORATION))

        def act(observation: np.ndarray) -> np.ndarray:
            return (
                uniform if self._progress.step < self._settings.random_steps else self._explore
            )(observation)

        return collect(self._environment, act, self._seed(_TRAINING))

    def _evaluate(self) -> None:
        self._evaluation = self._evaluator.evaluate(self._seed(_EVALUATION))
        self._log.evaluation(self._progress.step, self._evaluation)

    def _save(self, prefix: str = "step") -> Path:
        self._progress.elapsed = self._log.elapsed
        return save_run(self._store, self._learner, self._progress, prefix)

    def _is_due(self, period: int) -> bool:
        """Whether the last joint step reached or crossed a multiple of `period`."""
        return (
            self._progress.step // period
            > (self._progress.step - self._settings.num_environments) // period
        )

    def _seed(self, stream: int) -> int:
        """Returns a seed for `stream` from here on, the same whenever the run comes to this
        step."""
        sequence = np.random.SeedSequence([self._settings.seed, stream, self._progress.step])
        return int(sequence.generate_state(1)[0] >> 1)

    def close(self) -> None:
        self._log.close()
        self._evaluator.close()
        self._learner.close()
        self._environment.close()


def save_run(
    store: CheckpointStore, learner: Learner, progress: Progress, prefix: str = "step"
) -> Path:
    """Makes a checkpoint of `learner` at `progress`, and returns its folder; raises OSError."""

    def write(folder: Path) -> None:
        learner.save(folder)
        progress.save(folder)

    return store.save(progress.step, write, prefix)


@contextmanager
def saving_on_error(root_dir: Path, save: Callable[[str], Path]) -> Iterator[None]:
    """Saves by `save(prefix)` what the run in `root_dir` has when something breaks, and says in
    RunError where."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"Cannot write in {root_dir} ({error}); its checkpoints are as they were."
        ) from error
    except Exception as error:
        kept = save("diverged" if isinstance(error, Diverged) else "step")
        if isinstance(error, RunError):
            raise RunError(f"{error} All that was collected is in {kept}.") from error
        raise


def export_policy(
    state: TrainState, spec: EnvironmentSpec, settings: Training, step: int, root_dir: Path
) -> None:
    """Writes the final policy of a run into its folder, with the return that evaluations.csv has
    for `step`."""
    description = PolicySpec.of(settings.environment, spec, step, evaluated_return(root_dir, step))
    export(state, spec, description, root_dir / POLICY_FOLDER)
