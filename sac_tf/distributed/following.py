"""An evaluator of its own process: it follows the published policy and measures it, and the learner never waits."""

import dataclasses
import functools
import math
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gin
import reverb

from sac_tf.distributed.board import send_heartbeats
from sac_tf.distributed.connecting import connect, describe_task
from sac_tf.distributed.policies import PolicySource
from sac_tf.distributed.waiting import Patience
from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment
from sac_tf.training.evaluation import Evaluation
from sac_tf.training.interrupts import Interrupts
from sac_tf.training.loop import Training
from sac_tf.training.metrics import EvaluationLog, say

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

    def run(self, root_dir: str, addresses: Sequence[str], training: Training) -> signal.Signals | None:
        """Evaluates each policy that is `train.evaluation_period` steps newer than the one before, and the last.

        Args:
          root_dir: where evaluations.csv is.
          addresses: of the replay servers.
          training: settings of the run.

        Returns: the signal that stopped it, or None if the run is complete.

        Raises:
          ConfigurationError: an address or the task is wrong.
          RunError: no new policy came within the patience.
        """
        training.threads()
        with Interrupts() as interrupts:
            patience = self.patience(lambda: interrupts.received is not None, say)
            environment = GymnasiumEnvironment(training.environment)
            environment.close()
            task = describe_task(training.environment, environment.spec)
            client = self.connect(addresses, task, patience)[0]
            state = gin.get_configurable("TrainState")(environment.spec, training.seed)
            evaluator = training.evaluator(training.environment, state)
            policies, log = self.policies(client, state.actor, say), EvaluationLog(Path(root_dir), math.inf)
            last: list[Evaluation] = []

            def report() -> dict[str, Any]:
                result = {"last_return": last[-1].return_mean if last else None}
                return {"kind": "evaluator", "waiting_for": patience.waiting_for, **policies.report, **result}

            heartbeats = send_heartbeats(client, "evaluator", report)
            say(f"Evaluating {training.environment}.")
            evaluated = 0
            try:
                while patience(functools.partial(_is_due, policies, training, evaluated), "a new policy", _SILENT_S):
                    assert policies.policy is not None
                    evaluated = int(policies.policy.step)
                    last.append(evaluator.evaluate(training.seed + evaluated))
                    log.write(evaluated, policies.policy.elapsed, last[-1])
                    say(f"step {evaluated:,}: evaluation return {last[-1]}")
                    if policies.policy.is_last:
                        return None
                    if interrupts.received is not None:
                        break
            finally:
                heartbeats.stop()
                policies.close()
                log.close()
                evaluator.close()
            return interrupts.received


def _is_due(policies: PolicySource, training: Training, evaluated: int, seconds: float) -> bool:
    """Waits so long for a new policy; returns whether it is to be evaluated."""
    if not policies.wait(seconds) or policies.policy is None:
        return False
    period, step = training.evaluation_period, int(policies.policy.step)
    return bool(policies.policy.is_last) or (policies.policy.updates > 0 and step // period > evaluated // period)
