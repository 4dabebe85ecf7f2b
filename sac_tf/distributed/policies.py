"""The policy on its way from the learner to those who act, in threads that never hold a step up."""

import math
import time
from collections.abc import Callable

import gin
import reverb
import tensorflow as tf

from sac_tf.distributed.messages import Policy, newest_policy, publish, set_actor_values
from sac_tf.distributed.waiting import Repeating, bounded
from sac_tf.errors import require_count, require_number

_AGAIN_S = 10.0
"""A policy is sent again after so long: a replay server that started empty has none."""
_GLANCE_S, _ANSWER_S = 0.05, 10.0
_POSITIVE = (lambda seconds: 0 < seconds < math.inf, "a number of seconds above 0")


class PolicyPublisher:
    """Sends the newest policy that it was given."""

    def __init__(self, client: reverb.Client):
        self._client = client
        self._newest: Policy | None = None
        self._thread = Repeating(self._send, _AGAIN_S, "policy publisher")

    def offer(self, policy: Policy) -> None:
        """Has `policy` sent; an older one that is still waiting is dropped."""
        self._newest = policy
        self._thread.wake()

    def close(self) -> None:
        """Sends what is still to be sent, if the server takes it within seconds."""
        self._thread.stop(timeout_s=10.0)

    def _send(self) -> None:
        if self._newest is not None:
            publish(self._client, self._newest)


@gin.configurable
class PolicySource:
    """Keeps an actor up to date with the published policy.

    Attributes:
      policy: the one that the actor has, or None: its weights are then its own.
    """

    def __init__(
        self,
        client: reverb.Client,
        actor: tf.keras.Model,
        say: Callable[[str], None],
        period: float = 1.0,
        period_steps: int | None = None,
        oldest: float = 60.0,
    ):
        """Takes the policy that there is, and starts to ask for newer ones.

        Args:
          client: of the first replay server.
          actor: its variables are set by `refresh`.
          say: prints a line.
          period: seconds between two looks for a new policy.
          period_steps: look also after so many steps; None does not count them.
          oldest: seconds without a new policy after which this is said.

        Raises:
          ConfigurationError: a number out of range.
        """
        require_number("PolicySource.period", period, *_POSITIVE)
        require_number("PolicySource.oldest", oldest, *_POSITIVE)
        if period_steps is not None:
            require_count("PolicySource.period_steps", period_steps)
        self._client, self._actor, self._say = client, actor, say
        self._period_steps, self._oldest = period_steps, oldest
        self.policy: Policy | None = None
        self._pulled: Policy | None = None
        self._changed = time.monotonic()
        self._asked_at, self._is_old = 0, False
        self._look()
        self.refresh(0)
        self._thread = Repeating(self._look, period, "policy source")

    def refresh(self, step: int) -> bool:
        """Takes over a new policy if one has come. Never waits.

        Returns: whether the policy is new.

        Raises:
          ConfigurationError: the policy published is not one for this actor.
        """
        if self._period_steps is not None and step - self._asked_at >= self._period_steps:
            self._asked_at = step
            self._thread.wake()
        if self._pulled is not self.policy:
            self.policy = self._pulled
            assert self.policy is not None
            set_actor_values(self._actor, self.policy.values)
            return True
        return False

    def wait(self, seconds: float) -> bool:
        """As `refresh`, but waits so long for a new policy."""
        ends = time.monotonic() + seconds
        while not (is_new := self.refresh(0)) and time.monotonic() < ends:
            time.sleep(_GLANCE_S)
        return is_new

    @property
    def age(self) -> float:
        """Seconds since a new policy came, or since the start."""
        return time.monotonic() - self._changed

    @property
    def is_last(self) -> bool:
        """Whether the run is complete, by the learner's last word."""
        return self._pulled is not None and bool(self._pulled.is_last)

    @property
    def report(self) -> dict[str, float | int | None]:
        """What a heartbeat says of the policy."""
        if self.policy is None:
            return {"policy_updates": None, "policy_age": None}
        return {"policy_updates": int(self.policy.updates), "policy_age": self.age}

    def close(self) -> None:
        self._thread.stop()

    def _look(self) -> None:
        """Asks for a policy; says once if none has come for long, whatever the process does
        meanwhile."""
        try:
            newest = bounded(lambda: newest_policy(self._client), _ANSWER_S)
            if newest is not None and (self._pulled is None or newest[1:] != self._pulled[1:]):
                if self._is_old:
                    self._say(f"A new policy again, after {self.age:.0f} s.")
                self._pulled, self._changed, self._is_old = newest, time.monotonic(), False
        finally:
            if not self._is_old and self.age > self._oldest:
                self._is_old = True
                age = (
                    f"The policy is {self.age:.0f} s old"
                    if self._pulled
                    else f"No policy came for {self.age:.0f} s"
                )
                self._say(f"{age}, more than PolicySource.oldest={self._oldest:g}.")
