"""The settings of a training run, and its start."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import gin
import numpy as np

from sac_tf.agents.agent import Agent, TrainState
from sac_tf.agents.default import default_agent
from sac_tf.agents.mirrored import one_device
from sac_tf.agents.policy import Policy
from sac_tf.agents.update import Update, make_update
from sac_tf.environments.environment import Environment
from sac_tf.environments.factory import EnvironmentFactory, Task
from sac_tf.environments.goals import Goals
from sac_tf.errors import POSITIVE, ConfigurationError, require_count, require_number
from sac_tf.files import absolute
from sac_tf.replay.mixture import ReplayWithPriorData, SavedSource
from sac_tf.replay.prior_data import PriorData
from sac_tf.replay.protocols import RewardScale, Source, Transform
from sac_tf.replay.replay import Replay
from sac_tf.replay.rewards import FixedRewardScale
from sac_tf.replay.windows import Windows
from sac_tf.runs import folder
from sac_tf.runs.configuration import Configuration
from sac_tf.runs.lock import locked
from sac_tf.runs.logs import RunLog
from sac_tf.runs.runtime import free_closed_runs, set_runtime
from sac_tf.runs.session import session
from sac_tf.serving.export_policy import refuse_foreign
from sac_tf.training.datasets import PriorDataSettings
from sac_tf.training.evaluate import Evaluator
from sac_tf.training.exploration import MakeExploration, sampled
from sac_tf.training.initialization import Initialization
from sac_tf.training.loop import Run
from sac_tf.training.outcome import Outcome
from sac_tf.training.updater import Updater
from sac_tf.types import EnvironmentSpec


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
      seed: random seed of weights, exploration, environments and batches.
      discount: gamma, of one environment step.
      batch_size: transitions in the batch of one update, on all devices together.
      updates_per_step: critic updates per environment step (the UTD ratio).
      initialize_from: folder of another run to start from (fine-tuning); None starts from scratch.
      initialization: f(initialize_from), what is copied from that run.
      environments: makes the environments of the task.
      agent: the algorithm.
      learned_reward: f(agent), returns it with a reward that it learns: `vice`; None: the rewards
        of the task.
      exploration: how the policy acts in training: `sampled`, `noisy`, `partly_random` or
        `repeated_noise`.
      devices: where the learner computes: `one_device`, or `mirrored` for several.
      update: compiles the update.
      transforms: f(train state, batch) -> batch, each applied to every batch, in this order.
      rewards: f(discount) builds the scale of rewards, which is applied last: `FixedRewardScale` or
        `RunningRewardScale`.
      windows: f(spec, discount, goals), which steps become a transition.
      replay: builds the replay of one process.
      prior_data: which data set is a part of each batch, `prior_data`; None for none.
      evaluator: builds what evaluates the policy.
      log: builds the CSV files, TensorBoard and the progress bar.
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
    agent: Callable[[], Agent] = default_agent
    learned_reward: Callable[[Agent], Agent] | None = None
    exploration: MakeExploration = sampled
    devices: Callable[[], AbstractContextManager] = one_device
    update: Callable[..., Update] = make_update
    transforms: Sequence[Transform] = ()
    rewards: Callable[[float], RewardScale] = FixedRewardScale
    windows: Callable[..., Windows] = Windows
    replay: Callable[..., Replay] = Replay
    prior_data: Callable[[], PriorDataSettings] | None = None
    evaluator: Callable[..., Evaluator] = Evaluator
    log: Callable[..., RunLog] = RunLog
    runtime: Callable[[], None] = set_runtime

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.generic):  # NumPy's numbers are written as Python's
                object.__setattr__(self, field.name, value.item())
        if isinstance(self.initialize_from, str):
            object.__setattr__(self, "initialize_from", str(absolute(self.initialize_from)))
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
        if not isinstance(self.transforms, list | tuple) or not all(map(callable, self.transforms)):
            raise ConfigurationError(
                "train.transforms must be a list of functions such as [@my_transform], got "
                f"{self.transforms!r}."
            )
        require_number("train.updates_per_step", self.updates_per_step, *POSITIVE)

    def run(self, root_dir: str) -> Outcome:
        """Trains in the folder `root_dir`, from its last checkpoint if it has one.

        Raises:
          ConfigurationError: a setting that cannot work, or another process trains in the folder;
            nothing was run.
          RunError: a failure while running; the message names the checkpoint that was saved.
        """
        path = absolute(root_dir)  # a task may change the working directory
        configuration = self.configuration()
        configuration.refuse_other(path)
        for name in (folder.POLICY, folder.BEST_POLICY):
            refuse_foreign(path / name)
        try:
            with locked(path), session(self.runtime) as opened:
                return Run(self, path, configuration, opened).go()
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

    @functools.cached_property
    def starting_point(self) -> Initialization | None:
        """How a new run starts from another one, or None."""
        return None if self.initialize_from is None else self.initialization(self.initialize_from)

    @functools.cached_property
    def learning_starts(self) -> int:
        """Environment steps before learning starts."""
        start = self.starting_point
        return self.random_steps + (0 if start is None else start.warm_up_steps)

    def make_evaluation_environment(self, num_environments: int) -> Environment:
        """Returns environments for evaluation."""
        return self.environment_factory.make(num_environments, is_evaluation=True)

    def make_state(self, spec: EnvironmentSpec) -> TrainState:
        """Returns a new train state for a task."""
        with self.devices():
            return self._make_agent().make_state(spec, self.seed, self.discount)

    def make_windows(self, spec: EnvironmentSpec, goals: Goals | None = None) -> Windows:
        """Returns what makes transitions of the steps of a task; `goals` are None in a process that
        only stores steps."""
        windows = self.windows(spec, self.discount, goals)
        if self.learned_reward is not None and not windows.keeps_rewards:
            raise ConfigurationError(
                "train.learned_reward replaces the rewards of single steps: leave Windows.n at 1, "
                "Windows.with_return_to_go at False and Windows.hindsight at None."
            )
        return windows

    def make_policy(self, spec: EnvironmentSpec) -> Policy:
        """Returns the policy alone, on one device, for all that acts and does not learn."""
        return self._make_agent().make_policy(spec, self.seed)

    def make_prior_data(
        self,
        windows: Windows,
        state: TrainState,
        rewards: RewardScale,
        spec: EnvironmentSpec,
        checkpoint: Path | None,
    ) -> PriorData | None:
        """Returns the prior data of a run, or None.

        Args:
          windows, state, rewards, spec: of the run.
          checkpoint: from which the run resumes, or None.
        """
        if self.prior_data is None:
            return None
        restore_from = None if checkpoint is None else checkpoint / folder.REPLAY
        title = self.environment_factory.title
        return self.prior_data().read(windows, state, rewards, title, spec, restore_from)

    def make_source(
        self, replay: SavedSource, prior: PriorData | None, state: TrainState
    ) -> SavedSource:
        """Returns where the batches of a run come from: its replay, with prior data if it has
        some."""
        if prior is None:
            return replay
        replicas = 1 if state.strategy is None else state.strategy.num_replicas_in_sync
        return ReplayWithPriorData(replay, prior, 1.0 - self.replay_fraction, replicas)

    @property
    def replay_fraction(self) -> float:
        """The share of the rows of each batch that are of the replay."""
        return 1.0 if self.prior_data is None else 1.0 - self.prior_data().fraction

    def make_rewards(self) -> RewardScale:
        """Returns what scales the rewards of batches."""
        rewards = self.rewards(self.discount)
        if self.learned_reward is not None and not isinstance(rewards, FixedRewardScale):
            raise ConfigurationError(
                "train.rewards has statistics of the rewards of the task, which "
                "train.learned_reward replaces; use @FixedRewardScale."
            )
        if self.learned_reward is not None and self.replay_fraction < 0.5:
            raise ConfigurationError(
                "train.learned_reward needs at least half of each batch from the replay; set "
                "prior_data.fraction to at most 0.5."
            )
        return rewards

    def make_updater(self, state: TrainState, source: Source, rewards: RewardScale) -> Updater:
        """Returns the updater of a train state from the batches of a source."""
        agent = self._make_agent()
        return Updater(
            state,
            source,
            functools.partial(self.update, steps=agent.steps),
            batch_size=self.batch_size,
            transforms=[*agent.transforms, *self.transforms],
            rewards=rewards,
        )

    def _make_agent(self) -> Agent:
        agent = self.agent()
        return agent if self.learned_reward is None else self.learned_reward(agent)
