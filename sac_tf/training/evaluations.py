"""Evaluations of a training run: their environments, the missing ones, and the best policy."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sac_tf.agents.policy import Policy
from sac_tf.environments.environment import Environment
from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError
from sac_tf.runs.checkpoints import writing
from sac_tf.runs.logs import RunLog, evaluated_returns
from sac_tf.training.acting import mean_actions
from sac_tf.training.exporting import BestPolicy
from sac_tf.types import EnvironmentSpec, Evaluation

if TYPE_CHECKING:
    from sac_tf.training.train import Training


class RunEvaluations:
    """Evaluates the policy of a run in one process.

    Attributes:
      last: the last evaluation of this process; None if there was none.
      end_training_episodes: whether an evaluation plays in the training environment, so that
        training has to start new episodes after it.
    """

    def __init__(
        self,
        settings: "Training",
        root_dir: Path,
        spec: EnvironmentSpec,
        training_environment: Environment | None,
        policy: Policy,
        is_interrupted: Callable[[], bool],
    ):
        """Makes the evaluation environments.

        Args:
          settings: of the run.
          root_dir: its folder.
          spec: of its task.
          training_environment: in which it trains; None if it learns from a data set.
          policy: is evaluated.
          is_interrupted: whether an evaluation should end.
        """
        self._root_dir = root_dir
        self._policy = policy
        self._evaluator = settings.evaluator(
            settings.make_evaluation_environment,
            lambda size: mean_actions(policy, spec, size),
            training_environment=training_environment,
            is_interrupted=is_interrupted,
        )
        if self._evaluator.in_training_environment:
            _refuse_differences(settings.environment_factory)
        self._best = BestPolicy(
            root_dir,
            settings.environment_factory,
            spec,
            score=self._evaluator.score,
            make_policy=settings.make_policy,
        )
        self.end_training_episodes = self._evaluator.in_training_environment
        self.last: Evaluation | None = None

    def evaluate(self, step: int, seed: int, log: RunLog) -> None:
        """Evaluates the policy, logs the result and keeps the best policy; does nothing more if a
        signal ends the evaluation."""
        evaluation = self._evaluator.evaluate(seed, log.evaluating)
        if evaluation is not None:
            self.last = evaluation
            with writing(self._root_dir):
                log.evaluation(step, evaluation)
                self._best.offer(self._policy, step, evaluation)

    def is_missing(self, step: int) -> bool:
        """Returns whether the evaluation that was due at `step` has no row in evaluations.csv: it
        was interrupted, or it failed."""
        return step > 0 and step not in evaluated_returns(self._root_dir)

    def close(self) -> None:
        """Exports the best policy, and closes the environments."""
        self._best.close()
        self._evaluator.close()


def _refuse_differences(factory: EnvironmentFactory) -> None:
    """Raises ConfigurationError if environments for training and evaluation are not the same."""
    if factory.training_wrappers:
        raise ConfigurationError(
            "Evaluator.in_training_environment=True would evaluate with "
            "environment.training_wrappers; leave one of them out."
        )
    if factory.evaluation_arguments:
        raise ConfigurationError(
            "Evaluator.in_training_environment=True would evaluate without "
            "environment.evaluation_arguments; leave one of them out."
        )
