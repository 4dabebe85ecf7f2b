"""Progress of a distributed run, summed over the statuses of its replay servers."""

import contextlib
from collections.abc import Sequence
from typing import Any

import reverb

from sac_tf.distributed.messages import NO_ANSWER, STATUS_TABLE, receive
from sac_tf.distributed.waiting import PeriodicCall
from sac_tf.types import Episode

_PERIOD_S = 1.0
"""Seconds between two fetches."""


class ServerProgress:
    """Progress of a run, fetched once per second in a thread.

    Attributes:
      steps: environment steps collected, including those whose rows a server lost. They never
        decrease, even if a server restarts without its folder.
      kept: rows in the replay tables.
      is_complete: whether all steps are collected and all of their samples drawn.
    """

    def __init__(self, clients: Sequence[reverb.Client], total_steps: int, steps: int):
        """Fetches once, and starts to fetch periodically.

        Args:
          clients: of the servers.
          total_steps: of the run.
          steps: environment steps that the learner's checkpoint knows.
        """
        self._clients = clients
        self._total_steps = total_steps
        self._seen: dict[str, int] = {}
        self._processes: dict[str, dict[str, Any]] = {}
        self._forgotten = 0
        self.steps = steps
        self.kept = 0
        self.is_complete = False
        with contextlib.suppress(*NO_ANSWER):  # a server restarts: the thread retries
            self._fetch()
        self._thread = PeriodicCall(self._fetch, _PERIOD_S, "server progress")

    def finished_episodes(self) -> list[Episode]:
        """Returns the newest episode of each collector that made steps since the last call."""
        episodes = []
        for process, heartbeat in self._processes.items():
            is_collector = heartbeat["kind"] == "collector" and heartbeat["last_return"] is not None
            if is_collector and self._seen.get(process) != heartbeat["steps"]:
                self._seen[process] = heartbeat["steps"]
                episodes.append(
                    Episode(
                        total_reward=heartbeat["last_return"],
                        length=heartbeat["last_length"],
                        environment=0,
                        info=heartbeat.get("last_info", {}),
                        largest=heartbeat.get("last_largest", {}),
                    )
                )
        return episodes

    def close(self) -> None:
        self._thread.stop()

    def _fetch(self) -> None:
        statuses = [status for client in self._clients for status in receive(client, STATUS_TABLE)]
        if len(statuses) < len(self._clients):
            return  # a server has just started, or writes a checkpoint

        def total(name: str) -> int:
            return sum(status["rows"][name] for status in statuses)

        inserted = total("inserted")
        gone = sum(status["rows_gone"] for status in statuses)
        minimum_rows = sum(status["minimum_rows"] for status in statuses)
        self.kept = total("kept")
        self._processes = statuses[0]["processes"]
        self._forgotten = max(self._forgotten, self.steps - inserted - gone)
        self.steps = inserted + gone + self._forgotten
        sampling_steps = self._total_steps - gone - self._forgotten - minimum_rows
        due = (statuses[0]["samples_per_insert"] or 0.0) * sampling_steps
        self.is_complete = self.steps >= self._total_steps and total("sampled") >= due
