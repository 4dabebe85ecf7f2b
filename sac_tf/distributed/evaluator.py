"""An evaluator of its own process: it follows the published policy and measures it, and the learner
never waits."""

import dataclasses
import math
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gin
import reverb

from sac_tf.distributed.connection import connect, describe_task
from sac_tf.distributed.messages import Policy
from sac_tf.distributed.policies import PolicySource
from sac_tf.distributed.status import send_heartbeats
from sac_tf.distributed.waiting import Patience
from sac_tf.environments.gymnasium_environment import spec_of
from sac_tf.runs.interrupts import Interrupts
from sac_tf.runs.logs import EvaluationLog, say
from sac_tf.training.train import Training

_SILENT_S = 60.0
"""A new policy may well take so long."""


@gin.configurable("follow")
@dataclasses.dataclass(frozen=True)
class Following:
    """The evaluator of a run.

    Attributes:
      patience: f(is_over, say) waits for the servers and for new policies.
      connect: f(addresses, task, patience).
      policies: f(client, actor, say), where the policy comes from.
    """

    patience: Callable[..., Patience] = Patience
    connect: Callable[..., list[reverb.Client]] = connect
    policies: Callable[..., PolicySource] = PolicySource

    def run(
        self, root_dir: str, addresses: Sequence[str], training: Training
    ) -> signal.Signals | None:
        """Evaluates each policy that is `train.evaluation_period` steps newer than the one before,
        and the last.

        Args:
          root_dir: where evaluations.csv is.
          addresses: of the replay servers.
          training: settings of the run.

        Returns: the signal that stopped it, or None if the run is complete.

        Raises:
          ConfigurationError: an address or the task is wrong.
          RunError: no new policy came within the patience.
        """
        training.runtime()
        with Interrupts() as interrupts:
            follower = _Follower(self, root_dir, addresses, training, interrupts)
            try:
                return None if follower.go() else interrupts.received
            finally:
                follower.close()


class _Follower:
    """The parts of one call of `Following.run`, and what it measured last."""

    def __init__(
        self,
        settings: Following,
        root_dir: str,
        addresses: Sequence[str],
        training: Training,
        interrupts: Interrupts,
    ):
        self._training, self._interrupts = training, interrupts
        self._patience = settings.patience(lambda: interrupts.received is not None, say)
        spec = spec_of(training.environment)
        client = settings.connect(
            addresses, describe_task(training.environment, spec), self._patience
        )[0]
        state = gin.get_configurable("TrainState")(spec, training.seed)
        self._evaluator = training.evaluator(training.environment, state)
        self._policies, self._log = (
            settings.policies(client, state.actor, say),
            EvaluationLog(Path(root_dir), math.inf),
        )
        self._evaluated = 0
        self._last_return: float | None = None
        self._heartbeats = send_heartbeats(client, "evaluator", self._report)
        say(f"Evaluating {training.environment}.")

    def go(self) -> bool:
        """Evaluates until the run is complete, and returns True, or until a signal comes."""
        while self._interrupts.received is None:
            policy = self._policies.policy
            if policy is not None and self._is_due(policy):
                self._evaluate(policy)
                if policy.is_last:
                    return True
            self._patience(self._policies.wait, "a new policy", _SILENT_S)
        return False

    def _is_due(self, policy: Policy) -> bool:
        period = self._training.evaluation_period
        return bool(policy.is_last) or (
            policy.updates > 0 and policy.step // period > self._evaluated // period
        )

    def _evaluate(self, policy: Policy) -> None:
        self._evaluated = int(policy.step)
        evaluation = self._evaluator.evaluate(self._training.seed + self._evaluated)
        self._last_return = evaluation.return_mean
        self._log.write(self._evaluated, policy.elapsed, evaluation)
        say(f"step {self._evaluated:,}: evaluation return {evaluation}")

    def _report(self) -> dict[str, Any]:
        own = {
            "kind": "evaluator",
            "last_return": self._last_return,
            "waiting_for": self._patience.waiting_for,
        }
        return {**own, **self._policies.report}

    def close(self) -> None:
        self._heartbeats.stop()
        self._policies.close()
        self._log.close()
        self._evaluator.close()
