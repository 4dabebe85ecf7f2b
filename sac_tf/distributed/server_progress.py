"""Progress of a distributed run as its replay servers report it."""

from collections.abc import Sequence
from typing import Any

import reverb

from sac_tf.distributed.messages import BOARD_TABLE, receive
from sac_tf.distributed.waiting import Repeating
from sac_tf.types import Episode

_PERIOD_S = 1.0
"""Seconds between two reads of the boards."""


class ServerProgress:
    """Sums of what the boards of the replay servers say, read once a second in a thread.

    Attributes:
      steps: environment steps collected, including those that a dying server lost: it only grows,
        even if a server restarts without its folder.
      kept: rows in the replay tables.
      is_complete: whether all steps are done and the limiter has given all rows that go with them.
      samples_per_insert: of the limiter; None if it holds no ratio.
    """

    def __init__(self, clients: Sequence[reverb.Client], total_steps: int, steps: int):
        """Reads for the first time; the learner knows of `steps` already."""
        self._clients = clients
        self._total_steps = total_steps
        self._seen: dict[str, int] = {}
        self.steps = steps
        self._forgotten = 0
        self._times = [0.0] * len(clients)
        self._read()
        self._thread = Repeating(self._read, _PERIOD_S, "replay servers")

    def finished_episodes(self) -> list[Episode]:
        """Returns the newest episode of each collector that made steps since the last call."""
        episodes = []
        for who, message in self._processes.items():
            is_collector = message["kind"] == "collector" and message["last_return"] is not None
            if is_collector and self._seen.get(who) != message["steps"]:
                self._seen[who] = message["steps"]
                episodes.append(Episode(message["last_return"], message["last_length"], 0))
        return episodes

    def close(self) -> None:
        self._thread.stop()

    def _read(self) -> None:
        boards = [receive(client, BOARD_TABLE)[0] for client in self._clients]
        then = self._times
        self._times = [board["time"] for board in boards]
        if any(now < before for now, before in zip(self._times, then, strict=True)):
            return  # a restarted server shows the board of its checkpoint for a moment

        def total(name: str) -> int:
            return sum(board["rows"][name] for board in boards)

        inserted = total("inserted")
        self.kept = total("kept")
        gone = sum(board["rows_gone"] for board in boards)
        minimum_rows = sum(board["minimum_rows"] for board in boards)
        self._forgotten = max(self._forgotten, self.steps - inserted - gone)
        self.steps = inserted + gone + self._forgotten
        self.samples_per_insert: float | None = boards[0]["samples_per_insert"]
        sampling_steps = self._total_steps - gone - self._forgotten - minimum_rows
        due = (self.samples_per_insert or 0.0) * sampling_steps
        self.is_complete = self.steps >= self._total_steps and total("sampled") >= due
        self._processes: dict[str, dict[str, Any]] = boards[0]["processes"]
