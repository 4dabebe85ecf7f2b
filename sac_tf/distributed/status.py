"""How a run on many processes is, gathered by its replay server: for `binaries.status`, TensorBoard
and the log."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import reverb
import tensorflow as tf

from sac_tf.distributed.messages import BOARD_TABLE, HEARTBEAT_TABLE, receive, send
from sac_tf.distributed.waiting import Repeating
from sac_tf.replay.tables import REPLAY_TABLE, TIMEOUT_S
from sac_tf.runs.logs import summarize

_HEARTBEAT_S = 2.0
_FORGET_S = 30.0
"""A process not heard for so long is no longer on the board."""
_RATE_S = 10.0
"""Over which rates are measured."""


class Counts(NamedTuple):
    """Rows of a replay table: ever inserted, ever sampled (a row that was drawn twice counts
    twice), and kept."""

    inserted: int
    sampled: int
    kept: int


def counts(client: reverb.Client) -> Counts:
    """Asks the server."""
    info = client.server_info(timeout=TIMEOUT_S)[REPLAY_TABLE]
    limiter = info.rate_limiter_info
    return Counts(limiter.insert_stats.completed, limiter.sample_stats.completed, info.current_size)


def send_heartbeats(
    client: reverb.Client, who: str, report: Callable[[], dict[str, Any]]
) -> Repeating:
    """Tells the server every two seconds what `report()` says of the process `who`, until
    stopped."""
    return Repeating(
        lambda: send(client, HEARTBEAT_TABLE, {"who": who, **report()}), _HEARTBEAT_S, "heartbeats"
    )


class Board:
    """What the server knows, as a dictionary of JSON that everybody can read."""

    def __init__(self, client: reverb.Client, facts: dict[str, Any], tensorboard: Path):
        """Starts with `facts` that do not change; writes numbers to the folder `tensorboard`."""
        self._client, self.content = client, facts
        self._processes: dict[str, dict[str, Any]] = {}
        self._history: list[tuple[float, Counts]] = []
        self._summary = tf.summary.create_file_writer(str(tensorboard))

    def refresh(self) -> Counts:
        """Hears the processes, asks the tables, and shows the board anew."""
        now, rows = time.time(), counts(self._client)
        for message in receive(self._client, HEARTBEAT_TABLE):
            who = message.pop("who")
            self._processes[who] = {**message, "heard": now}
        self._processes = {
            who: m for who, m in self._processes.items() if now - m["heard"] < _FORGET_S
        }
        self._history = [(at, then) for at, then in self._history if now - at <= _RATE_S] + [
            (now, rows)
        ]
        began, first = self._history[0]
        seconds = max(now - began, 1e-9)
        self.content |= {
            "rows": rows._asdict(),
            "inserted_per_second": (rows.inserted - first.inserted) / seconds,
            "sampled_per_second": (rows.sampled - first.sampled) / seconds,
            "processes": self._processes,
        }
        send(self._client, BOARD_TABLE, self.content)
        return rows

    def summarize(self) -> None:
        """Writes the numbers of the board to TensorBoard."""
        board, rows = self.content, self.content["rows"]
        ages = [
            m["policy_age"] for m in self._processes.values() if m.get("policy_age") is not None
        ]
        scalars = {f"rows_{name}": value for name, value in rows.items()} | {
            "inserted_per_second": board["inserted_per_second"],
            "sampled_per_second": board["sampled_per_second"],
            "collectors": sum(m["kind"] == "collector" for m in self._processes.values()),
            "processes_waiting": sum(
                m["waiting_for"] is not None for m in self._processes.values()
            ),
            "oldest_policy_age": max(ages, default=0.0),
        }
        summarize(self._summary, rows["inserted"], "replay_server", scalars)

    def close(self) -> None:
        self._summary.close()


def one_line(board: dict[str, Any]) -> str:
    """Returns how the run is in a line."""
    rows, kinds = board["rows"], [m["kind"] for m in board["processes"].values()]
    waiting = [who for who, m in board["processes"].items() if m["waiting_for"]]
    return (
        f"{rows['inserted']:,} of {board['total_steps']:,} rows, "
        f"{board['inserted_per_second']:.0f}/s in, "
        f"{board['sampled_per_second']:,.0f}/s out; {kinds.count('collector')} collectors"
        + ("" if "learner" in kinds else ", no learner")
        + (f"; waiting: {', '.join(waiting)}" if waiting else "")
    )


def all_lines(address: str, board: dict[str, Any]) -> list[str]:
    """Returns how the server at `address` and the processes that it hears are, in full."""
    rows, spi, minimum = board["rows"], board["samples_per_insert"], board["minimum_rows"]
    learnt = max(1, rows["inserted"] - minimum)
    limiter = (
        f"{spi:g} samples for each row after the first {minimum:,}, so far "
        f"{rows['sampled'] / learnt:.1f}"
        if spi is not None
        else f"free after the first {minimum:,} rows, so far "
        f"{rows['sampled'] / learnt:.1f} samples for each"
    )
    saved = board.get("checkpoint")
    checkpoint = f"{saved['rows']:,} rows, {_ago(saved['time'])}" if saved else "none yet"
    lines = [
        f"{address}  {board['task']['environment']}, up {_ago(board['started'])[:-4]}",
        f"  replay      {rows['kept']:,} rows of {board['capacity']:,}; {rows['inserted']:,} ever "
        f"inserted, "
        f"{board['total_steps']:,} asked for; {board['rows_gone']:,} lost by a restart",
        f"  rates       {board['inserted_per_second']:.1f} rows/s in, "
        f"{board['sampled_per_second']:,.0f} rows/s out",
        f"  limiter     {limiter}",
        f"  checkpoint  {checkpoint}",
    ]
    lines += [f"  {_process(who, message)}" for who, message in sorted(board["processes"].items())]
    return (
        lines if board["processes"] else [*lines, "  no process was heard in the last half minute"]
    )


def _process(who: str, message: dict[str, Any]) -> str:
    parts = [f"{message['steps']:,} steps"] if "steps" in message else []
    parts += (
        [f"{message['updates']:,} updates, {message['updates_per_second']:.0f}/s"]
        if "updates" in message
        else []
    )
    if message.get("policy_age") is not None:
        parts.append(
            f"policy of update {message['policy_updates']:,}, {message['policy_age']:.0f} s old"
        )
    parts += (
        [f"last return {message['last_return']:.1f}"]
        if message.get("last_return") is not None
        else []
    )
    parts += [f"WAITING for {message['waiting_for']}"] if message["waiting_for"] else []
    parts += [f"heard {_ago(message['heard'])}"]
    return f"{who:<24}  {'; '.join(parts)}"


def _ago(then: float) -> str:
    seconds = max(0.0, time.time() - then)
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit} ago"
    return f"{seconds:.0f} s ago"
