"""The evaluator of a distributed run: evaluates each published policy."""

import math
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sac_tf.distributed.connection import Connection, RunDescription, describe_task
from sac_tf.distributed.messages import Policy
from sac_tf.distributed.policies import PolicySource
from sac_tf.distributed.settings import configuration_of
from sac_tf.runs import folder as names
from sac_tf.runs import task_spec
from sac_tf.runs.configuration import Configuration
from sac_tf.runs.lock import locked
from sac_tf.runs.logs import EvaluationLog, say
from sac_tf.runs.periods import is_due
from sac_tf.runs.session import Session, session
from sac_tf.training.train import Training

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
        evaluator = _Evaluator(root_dir, addresses, training, configuration, opened)
        return None if evaluator.go() else opened.interrupts.received


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
        state = training.make_acting_state(spec)
        self._evaluator = opened.open(
            training.evaluator(training.make_evaluation_environment, state)
        )
        self._policies = opened.open(PolicySource(client, state.actor, say, training.total_steps))
        self._log = opened.open(EvaluationLog(Path(root_dir), math.inf))
        self._connection.send_heartbeats("evaluator", self._report)
        say(f"Evaluating {factory.title}.")

    def go(self) -> bool:
        """Evaluates until the run is complete or a signal comes; returns whether it is complete."""
        while not self._opened.is_interrupted():
            policy = self._policies.policy
            if policy is not None and self._is_due(policy):
                self._evaluate(policy)
                if policy.is_last:
                    return True
            self._connection.patience(self._policies.wait, "a new policy", _SILENT_S)
        return False

    def _is_due(self, policy: Policy) -> bool:
        period = self._training.evaluation_period
        is_trained = policy.updates > 0
        return policy.is_last or (is_trained and is_due(period, self._evaluated, policy.step))

    def _evaluate(self, policy: Policy) -> None:
        self._evaluated = policy.step
        evaluation = self._evaluator.evaluate(self._training.seed + self._evaluated)
        self._last_return = evaluation.return_mean
        self._log.write(self._evaluated, policy.elapsed, evaluation)
        say(f"step {self._evaluated:,}: evaluation return {evaluation}")

    def _report(self) -> dict[str, Any]:
        return {
            "kind": "evaluator",
            "last_return": self._last_return,
            "waiting_for": self._connection.patience.waiting_for,
            **self._policies.report,
        }
