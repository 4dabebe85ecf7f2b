"""Status of a distributed run: rows, rates and heartbeats, gathered by its replay server for
`binaries.status`, TensorBoard and the log."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import reverb
import tensorflow as tf

from sac_tf.distributed.messages import HEARTBEAT_TABLE, STATUS_TABLE, receive, send
from sac_tf.distributed.waiting import PeriodicCall
from sac_tf.replay.tables import REPLAY_TABLE, TIMEOUT_S
from sac_tf.runs.tensorboard import write_scalars

_HEARTBEAT_PERIOD_S = 2.0
_HEARTBEAT_TIMEOUT_S = 30.0
"""A process without a heartbeat for this long is dropped."""
_RATE_WINDOW_S = 10.0
"""Rates are measured over this time."""


class Counts(NamedTuple):
    """Rows of a replay table.

    Attributes:
      inserted: in all.
      sampled: in all; a row that is sampled twice counts twice.
      kept: in the table now.
    """

    inserted: int
    sampled: int
    kept: int


def counts(client: reverb.Client) -> Counts:
    """Fetches the counts of a server's replay table."""
    info = client.server_info(timeout=TIMEOUT_S)[REPLAY_TABLE]
    limiter = info.rate_limiter_info
    return Counts(
        inserted=limiter.insert_stats.completed,
        sampled=limiter.sample_stats.completed,
        kept=info.current_size,
    )


def send_heartbeats(
    client: reverb.Client, process: str, report: Callable[[], dict[str, Any]]
) -> PeriodicCall:
    """Sends `report()` as the heartbeat of `process` every two seconds until stopped.

    A report has "kind" (learner, collector or evaluator), "waiting_for" (None if it does not wait),
    and what `all_lines` prints of this kind.
    """

    def send_heartbeat() -> None:
        send(client, HEARTBEAT_TABLE, {"process": process, **report()})

    return PeriodicCall(send_heartbeat, _HEARTBEAT_PERIOD_S, "heartbeats")


class RunStatus:
    """The status of a run, as its replay server publishes it.

    Attributes:
      content: what is published, as JSON.
    """

    def __init__(self, client: reverb.Client, facts: dict[str, Any], tensorboard: Path):
        """Publishes nothing yet.

        Args:
          client: of the server.
          facts: constant entries of the status.
          tensorboard: folder for `summarize`.
        """
        self.content = facts
        self._client = client
        self._processes: dict[str, dict[str, Any]] = {}
        self._history: list[tuple[float, Counts]] = []
        self._summary = tf.summary.create_file_writer(str(tensorboard))

    def refresh(self) -> Counts:
        """Reads heartbeats and tables, publishes the new status, and returns the counts."""
        now = time.time()
        rows = counts(self._client)
        self._receive_heartbeats(now)
        self._history = [
            (then, counted) for then, counted in self._history if now - then <= _RATE_WINDOW_S
        ]
        self._history.append((now, rows))
        started, first = self._history[0]
        seconds = max(now - started, 1e-9)
        self.content |= {
            "rows": rows._asdict(),
            "inserted_per_second": (rows.inserted - first.inserted) / seconds,
            "sampled_per_second": (rows.sampled - first.sampled) / seconds,
            "processes": self._processes,
        }
        self.publish()
        return rows

    def publish(self) -> None:
        """Publishes `content`."""
        send(self._client, STATUS_TABLE, self.content)

    def withdraw(self) -> None:
        """Removes what is published, until `publish` or `refresh`."""
        self._client.reset(STATUS_TABLE)

    def summarize(self) -> None:
        """Writes the numbers of the status to TensorBoard."""
        rows = self.content["rows"]
        heartbeats = self._processes.values()
        ages = [beat["policy_age"] for beat in heartbeats if beat.get("policy_age") is not None]
        scalars: dict[str, float] = {f"rows_{name}": value for name, value in rows.items()}
        scalars["inserted_per_second"] = self.content["inserted_per_second"]
        scalars["sampled_per_second"] = self.content["sampled_per_second"]
        scalars["collectors"] = sum(beat["kind"] == "collector" for beat in heartbeats)
        scalars["processes_waiting"] = sum(beat["waiting_for"] is not None for beat in heartbeats)
        scalars["oldest_policy_age"] = max(ages, default=0.0)
        named = {f"replay_server/{name}": value for name, value in scalars.items()}
        write_scalars(self._summary, rows["inserted"], named)

    def close(self) -> None:
        self._summary.close()

    def _receive_heartbeats(self, now: float) -> None:
        for heartbeat in receive(self._client, HEARTBEAT_TABLE):
            process = heartbeat.pop("process")
            self._processes[process] = {**heartbeat, "received": now}
        self._processes = {
            process: heartbeat
            for process, heartbeat in self._processes.items()
            if now - heartbeat["received"] < _HEARTBEAT_TIMEOUT_S
        }


def one_line(status: dict[str, Any]) -> str:
    """Returns a status in one line, for the log."""
    processes = status["processes"]
    kinds = [heartbeat["kind"] for heartbeat in processes.values()]
    waiting = [process for process, heartbeat in processes.items() if heartbeat["waiting_for"]]
    line = (
        f"{status['rows']['inserted']:,} of {status['total_steps']:,} rows, "
        f"{status['inserted_per_second']:.0f}/s inserted, "
        f"{status['sampled_per_second']:,.0f}/s sampled; "
        f"{kinds.count('collector')} collectors"
    )
    if "learner" not in kinds:
        line += ", no learner"
    if waiting:
        line += f"; waiting: {', '.join(waiting)}"
    return line


def all_lines(address: str, status: dict[str, Any]) -> list[str]:
    """Returns the status of the server at `address` and of its processes, in full."""
    rows = status["rows"]
    lines = [
        f"{address}  {status['task']['environment']}, up {_age(status['started'])}",
        f"  replay      {rows['kept']:,} of {status['capacity']:,} rows; {rows['inserted']:,} of "
        f"{status['total_steps']:,} inserted; {status['rows_gone']:,} lost in restarts",
        f"  rates       {status['inserted_per_second']:.1f} rows/s inserted, "
        f"{status['sampled_per_second']:,.0f} rows/s sampled",
        f"  limiter     {_limiter(status)}",
        f"  checkpoint  {_checkpoint(status)}",
    ]
    for process, heartbeat in sorted(status["processes"].items()):
        lines.append(f"  {process:<24}  {_process(heartbeat)}")
    if not status["processes"]:
        lines.append(f"  no heartbeat in the last {_HEARTBEAT_TIMEOUT_S:.0f} s")
    return lines


def _limiter(status: dict[str, Any]) -> str:
    minimum_rows = status["minimum_rows"]
    inserted_later = max(1, status["rows"]["inserted"] - minimum_rows)
    so_far = f"so far {status['rows']['sampled'] / inserted_later:.1f}"
    if status["samples_per_insert"] is None:
        return f"no limit after the first {minimum_rows:,} rows, {so_far} samples per row"
    samples = f"{status['samples_per_insert']:g} samples per row"
    return f"{samples} after the first {minimum_rows:,}, {so_far}"


def _checkpoint(status: dict[str, Any]) -> str:
    saved = status.get("checkpoint")
    return f"{saved['rows']:,} rows, {_age(saved['time'])} ago" if saved else "none yet"


def _process(heartbeat: dict[str, Any]) -> str:
    parts = []
    if "steps" in heartbeat:
        parts.append(f"{heartbeat['steps']:,} steps")
    if "updates" in heartbeat:
        rate = heartbeat["updates_per_second"]
        parts.append(f"{heartbeat['updates']:,} updates, {rate:.0f}/s")
    if heartbeat.get("policy_age") is not None:
        updates = heartbeat["policy_updates"]
        parts.append(f"policy of update {updates:,}, {heartbeat['policy_age']:.0f} s old")
    if heartbeat.get("last_return") is not None:
        parts.append(f"last return {heartbeat['last_return']:.1f}")
    if heartbeat["waiting_for"]:
        parts.append(f"WAITING for {heartbeat['waiting_for']}")
    parts.append(f"heartbeat {_age(heartbeat['received'])} ago")
    return "; ".join(parts)


def _age(then: float) -> str:
    seconds = max(0.0, time.time() - then)
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
