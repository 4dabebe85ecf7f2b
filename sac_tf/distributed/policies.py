"""Publishes and fetches the policy of a distributed run, in threads that never delay a step."""

import contextlib
import math
import time
from collections.abc import Callable

import gin
import reverb

from sac_tf.agents.policy import Policy
from sac_tf.distributed.messages import (
    NO_ANSWER,
    PublishedPolicy,
    newest_policy,
    publish,
    set_values,
)
from sac_tf.distributed.waiting import PeriodicCall, with_timeout
from sac_tf.errors import require_count, require_number

_REPUBLISH_S = 10.0
"""A policy is published again after this time: a replay server that restarted empty has none."""
_POLL_S = 0.05
_TIMEOUT_S = 10.0
_IS_POSITIVE = (lambda seconds: 0 < seconds < math.inf, "a number of seconds above 0")


class PolicyPublisher:
    """Publishes the newest policy that was offered."""

    def __init__(self, client: reverb.Client):
        self._client = client
        self._newest: PublishedPolicy | None = None
        self._published: PublishedPolicy | None = None
        self._thread = PeriodicCall(self._publish, _REPUBLISH_S, "policy publisher")

    def offer(self, policy: PublishedPolicy) -> None:
        """Requests that `policy` is published; an older one that still waits is dropped."""
        self._newest = policy
        self._thread.wake()

    def wait(self, seconds: float) -> bool:
        """Waits up to `seconds`, and tries again after an error; returns whether the newest policy
        that was offered is published."""
        deadline = time.monotonic() + seconds
        if self._thread.error is not None:
            self._thread.wake()
        while self._published is not self._newest and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return self._published is self._newest

    def close(self) -> None:
        """Publishes the newest policy, if the server takes it within seconds."""
        self._thread.stop(timeout_s=10.0)

    def _publish(self) -> None:
        newest = self._newest
        if newest is not None:
            publish(self._client, newest)
            self._published = newest


@gin.configurable
class PolicySource:
    """Keeps a policy up to date with the published one.

    Args:
      client: of the first replay server.
      acting: the policy that acts; its variables are set by `refresh`.
      say: prints a line.
      total_steps: of the run.
      period: seconds between two fetches.
      period_steps: environment steps after which a policy is fetched, too; None counts none.
      oldest: seconds without a new policy before a line is printed.

    Attributes:
      policy: the published policy whose values `acting` has; None before the first one.
    """

    def __init__(
        self,
        client: reverb.Client,
        acting: Policy,
        say: Callable[[str], None],
        total_steps: int,
        period: float = 1.0,
        period_steps: int | None = None,
        oldest: float = 60.0,
    ):
        """Takes the policy that is published now, and starts to fetch newer ones.

        Raises:
          ConfigurationError: a number out of range, or a policy from other networks.
        """
        _check_settings(period, period_steps, oldest)
        self._client = client
        self._acting = acting
        self._say = say
        self._total_steps = total_steps
        self._period_steps = period_steps
        self._oldest = oldest
        self.policy: PublishedPolicy | None = None
        self._fetched: PublishedPolicy | None = None
        self._fetched_at = time.monotonic()
        self._requested_at_step = 0
        self._is_old = False
        with contextlib.suppress(*NO_ANSWER):  # the server restarts: the thread retries
            self._fetch()
        self.refresh(0)
        self._thread = PeriodicCall(self._fetch, period, "policy source")

    def refresh(self, step: int) -> bool:
        """Takes the newest policy that was fetched, without waiting for the server.

        Args:
          step: environment steps so far.

        Returns: whether the policy is new.

        Raises:
          ConfigurationError: the policy is from other networks.
        """
        if self._period_steps is not None and step - self._requested_at_step >= self._period_steps:
            self._requested_at_step = step
            self._thread.wake()
        if self._fetched is None or self._fetched is self.policy:
            return False
        self.policy = self._fetched
        set_values(self._acting, self.policy.values)
        return True

    def wait(self, seconds: float) -> bool:
        """As `refresh`, but waits up to `seconds` for a new policy."""
        deadline = time.monotonic() + seconds
        while not (is_new := self.refresh(0)) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return is_new

    @property
    def age(self) -> float:
        """Seconds since the newest policy was fetched, or since the start."""
        return time.monotonic() - self._fetched_at

    @property
    def is_last(self) -> bool:
        """Whether the learner has published its last policy: the run is complete."""
        return self._fetched is not None and self._fetched.is_last

    @property
    def report(self) -> dict[str, float | int | None]:
        """Entries of a heartbeat about the policy."""
        if self.policy is None:
            return {"policy_updates": None, "policy_age": None}
        return {"policy_updates": int(self.policy.updates), "policy_age": self.age}

    def close(self) -> None:
        self._thread.stop()

    def _fetch(self) -> None:
        """Fetches the policy, and prints a line when the newest one has become too old."""
        try:
            policy = with_timeout(lambda: newest_policy(self._client), _TIMEOUT_S)
            if policy is not None:
                self._accept(policy)
        finally:
            self._report_age()

    def _accept(self, policy: PublishedPolicy) -> None:
        if self._fetched is None and policy.step < self._total_steps:
            # Published before the run was continued with a larger `train.total_steps`.
            policy = policy._replace(is_last=False)
        elif self._fetched is not None and self._fetched.published == policy.published:
            return
        if self._is_old:
            self._say(f"Received a new policy after {self.age:.0f} s.")
        self._fetched = policy
        self._fetched_at = time.monotonic()
        self._is_old = False

    def _report_age(self) -> None:
        if self._is_old or self.age <= self._oldest:
            return
        self._is_old = True
        age = f"No policy was published for {self.age:.0f} s"
        if self._fetched is not None:
            age = f"The policy is {self.age:.0f} s old"
        self._say(f"{age}, more than PolicySource.oldest={self._oldest:g}.")


def _check_settings(period: float, period_steps: int | None, oldest: float) -> None:
    require_number("PolicySource.period", period, *_IS_POSITIVE)
    require_number("PolicySource.oldest", oldest, *_IS_POSITIVE)
    if period_steps is not None:
        require_count("PolicySource.period_steps", period_steps)
