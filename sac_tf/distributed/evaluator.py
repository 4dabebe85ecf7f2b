"""The evaluator of a distributed run: evaluates each published policy."""

import contextlib
import math
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sac_tf.agents.policy import Policy
from sac_tf.distributed.connection import Connection, RunDescription, Stopped, describe_task
from sac_tf.distributed.messages import PublishedPolicy
from sac_tf.distributed.policies import PolicySource
from sac_tf.distributed.settings import configuration_of
from sac_tf.errors import ConfigurationError
from sac_tf.runs import folder as names
from sac_tf.runs import task_spec
from sac_tf.runs.configuration import Configuration
from sac_tf.runs.lock import locked
from sac_tf.runs.logs import EvaluationLog, say
from sac_tf.runs.periods import is_due
from sac_tf.runs.session import Session, session
from sac_tf.training.acting import mean_actions
from sac_tf.training.evaluate import Evaluator
from sac_tf.training.exporting import BestPolicy
from sac_tf.training.train import Training
from sac_tf.types import EnvironmentSpec

_SILENT_S = 60.0
"""Seconds before the wait for a new policy is printed."""


def run(root_dir: str, addresses: Sequence[str], training: Training) -> signal.Signals | None:
    """Evaluates a policy every `train.evaluation_period` environment steps, and the last one.

    Args:
      root_dir: for evaluations.csv.
      addresses: of the replay servers.
      training: settings of the run.

    Returns: the signal that interrupted it, or None if the run is complete.

    Raises:
      ConfigurationError: a setting, an address or the task is wrong.
      RunError: no new policy was published in time.
    """
    configuration = configuration_of(training)
    folder = Path(root_dir) / names.EVALUATOR
    with locked(folder), session(training.runtime) as opened:
        with contextlib.suppress(Stopped):
            if _Evaluator(root_dir, addresses, training, configuration, opened).go():
                return None
        return opened.interrupts.received


class _Evaluator:
    """The parts of one call of `run`, and its last evaluation."""

    def __init__(
        self,
        root_dir: str,
        addresses: Sequence[str],
        training: Training,
        configuration: Configuration,
        opened: Session,
    ):
        self._training = training
        self._opened = opened
        self._evaluated = 0
        self._last_return: float | None = None
        factory = training.environment_factory
        spec = task_spec.load_or_make(Path(root_dir), factory)
        run = RunDescription(describe_task(factory.title, spec), configuration.settings)
        self._connection = opened.open(Connection(addresses, run, opened.is_interrupted))
        client = self._connection.clients[0]
        self._policy = training.make_policy(spec)
        self._evaluator = self._make_evaluator(self._policy, spec)
        self._policies = opened.open(PolicySource(client, self._policy, say, training.total_steps))
        info = self._evaluator.info
        self._log = opened.open(EvaluationLog(Path(root_dir), math.inf, info))
        self._best = opened.open(
            BestPolicy(
                Path(root_dir),
                factory,
                spec,
                score=self._evaluator.score,
                make_policy=training.make_policy,
            )
        )
        self._connection.send_heartbeats("evaluator", self._report)
        say(f"Evaluating {factory.title}.")

    def _make_evaluator(self, policy: Policy, spec: EnvironmentSpec) -> Evaluator:
        training = self._training
        evaluator = self._opened.open(
            training.evaluator(
                training.make_evaluation_environment,
                lambda size: mean_actions(policy, spec, size),
                training_environment=None,
                is_interrupted=self._opened.is_interrupted,
            )
        )
        if evaluator.episodes == 0:
            raise ConfigurationError(
                "Evaluator.episodes = 0 leaves nothing to do here; do not start this program."
            )
        if evaluator.in_training_environment:
            raise ConfigurationError(
                "Evaluator.in_training_environment = True is for one process (binaries.train); "
                "leave it out here."
            )
        return evaluator

    def go(self) -> bool:
        """Evaluates until the run is complete or a signal comes; returns whether it is complete."""
        while not self._opened.is_interrupted():
            policy = self._policies.policy
            if policy is not None and self._is_due(policy):
                is_done = self._evaluate(policy)
                if policy.is_last and is_done:
                    return True
            self._connection.patience(self._policies.wait, "a new policy", _SILENT_S)
        return False

    def _is_due(self, policy: PublishedPolicy) -> bool:
        period = self._training.evaluation_period
        is_trained = policy.updates > 0
        return policy.is_last or (is_trained and is_due(period, self._evaluated, policy.step))

    def _evaluate(self, policy: PublishedPolicy) -> bool:
        """Evaluates a policy; returns False if a signal ended the evaluation."""
        evaluation = self._evaluator.evaluate(self._training.seed + policy.step)
        if evaluation is None:
            return False
        self._evaluated = policy.step
        self._last_return = evaluation.return_mean
        self._log.write(self._evaluated, policy.elapsed, evaluation)
        say(f"step {self._evaluated:,}: evaluation return {evaluation}")
        self._best.offer(self._policy, policy.step, evaluation)
        return True

    def _report(self) -> dict[str, Any]:
        return {
            "kind": "evaluator",
            "last_return": self._last_return,
            "waiting_for": self._connection.patience.waiting_for,
            **self._policies.report,
        }
