"""Finding the replay servers of a run, and making sure that they are the right ones."""

import functools
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

import gin
import reverb

from sac_tf.distributed.messages import BOARD_TABLE, receive
from sac_tf.distributed.status import send_heartbeats
from sac_tf.distributed.waiting import Patience, Repeating, bounded
from sac_tf.errors import ConfigurationError, RunError, require_number
from sac_tf.runs.configuration import differences
from sac_tf.runs.logs import say
from sac_tf.types import EnvironmentSpec, leaves_of

_ANSWER_S = 10.0
"""Within which a server that lives answers."""


def describe_task(environment_id: str, spec: EnvironmentSpec) -> dict[str, Any]:
    """Returns what two processes must agree on to exchange rows, as JSON has it."""
    observation = {leaf.name: list(leaf.value.shape) for leaf in leaves_of(spec.observation)}
    return {
        "environment": environment_id,
        "observation": observation,
        "action": spec.action_dimensions,
    }


@gin.configurable
def connect(
    addresses: Sequence[str],
    task: dict[str, Any],
    settings: dict[str, str],
    may_differ: tuple[str, ...],
    patience: Patience,
    wait_s: float = 0.0,
) -> list[reverb.Client]:
    """Returns a client of each replay server, all of them alive and serving this run.

    Args:
      addresses: of the servers.
      task: from `describe_task`.
      settings: of the run, as this process has them.
      may_differ: settings, or prefixes of settings, that may differ between processes.
      patience: waits for servers that have not started yet.
      wait_s: how long to wait for them; 0 for processes that are started after their servers.

    Raises:
      ConfigurationError: no such host, not a replay server of sac_tf, or one of another run.
      RunError: nothing listens there, or this process was interrupted before something did.
    """
    require_number(
        "connect.wait_s", wait_s, lambda seconds: seconds >= 0, "a number of seconds of at least 0"
    )
    deadline = time.monotonic() + wait_s
    clients = []
    for address in addresses:
        listens = functools.partial(_listens, address, deadline)
        _wait(patience, listens, f"the replay server at {address}")
        client = reverb.Client(address)
        board = _board_of(client, patience)
        _refuse_other_run(address, board, task, settings, may_differ)
        if board["servers"] != len(addresses):
            raise ConfigurationError(
                f"The replay server at {address} is one of {board['servers']} "
                f"(replay_server.servers), and --replay_address names {len(addresses)}; name all "
                f"of "
                "them, everywhere in the same order."
            )
        clients.append(client)
    return clients


def _refuse_other_run(
    address: str,
    board: dict[str, Any],
    task: dict[str, Any],
    settings: dict[str, str],
    may_differ: tuple[str, ...],
) -> None:
    if board["task"] != task:
        raise ConfigurationError(
            f"The replay server at {address} is for {_words(board['task'])}, and this process for "
            f"{_words(task)}."
        )
    differing = differences(board["settings"], settings, may_differ)
    if differing:
        words = "; ".join(
            f"{name} is {there} there and {here} here" for name, there, here in differing
        )
        raise ConfigurationError(
            f"The replay server at {address} serves a run with other settings ({words}); give all "
            "processes the same gin files and bindings."
        )


class Connection:
    """What a process keeps open to the replay servers of its run.

    Attributes:
      clients: of the servers, in the order of their addresses.
      patience: waits for the servers, for rows, and for room in the replay.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        task: dict[str, Any],
        settings: dict[str, str],
        may_differ: tuple[str, ...],
        is_over: Callable[[], bool],
    ):
        """Connects; arguments and errors as for `connect`, and `is_over` as for `Patience`."""
        self.patience = Patience(is_over, say)
        self.clients = connect(addresses, task, settings, may_differ, self.patience)
        self._heartbeats: Repeating | None = None

    def send_heartbeats(self, who: str, report: Callable[[], dict[str, Any]]) -> None:
        """Sends `report()` as the heartbeat of the process `who` until the connection is closed."""
        self._heartbeats = send_heartbeats(self.clients[0], who, report)

    def close(self) -> None:
        if self._heartbeats is not None:
            self._heartbeats.stop()


def look(address: str) -> dict[str, Any]:
    """Returns the board of the server at `address`, which must be there now. Raises as
    `connect`."""
    patience = Patience(lambda: False, print, limit_s=_ANSWER_S)
    _wait(
        patience,
        functools.partial(_listens, address, time.monotonic()),
        f"the replay server at {address}",
    )
    return _board_of(reverb.Client(address), patience)


def _wait(patience: Patience, attempt: Callable[[float], bool], what: str) -> None:
    if not patience(attempt, what):
        raise RunError(f"Stopped while waiting for {what}.")


def _listens(address: str, deadline: float, seconds: float) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S).close()
    except OSError as error:
        if time.monotonic() > deadline:
            if isinstance(error, socket.gaierror):
                raise ConfigurationError(
                    f"--replay_address={address}: there is no host {host}."
                ) from error
            raise RunError(
                f"No replay server answers at {address} ({error.strerror or error}). Start python "
                f"-m "
                "binaries.replay_server there, correct --replay_address, or give connect.wait_s "
                "time to wait for it."
            ) from error
        time.sleep(seconds)
        return False
    return True


def _board_of(client: reverb.Client, patience: Patience) -> dict[str, Any]:
    boards: list[dict[str, Any]] = []

    def look(seconds: float) -> bool:
        boards[:] = bounded(lambda: receive(client, BOARD_TABLE), _ANSWER_S)
        if not boards:  # a server that is about to start
            time.sleep(seconds)
        return bool(boards)

    try:
        _wait(patience, look, f"the board of the replay server at {client.server_address}")
        return boards[0]
    except RunError:  # of the wait
        raise
    except (reverb.errors.ReverbError, RuntimeError, TimeoutError, LookupError) as error:
        raise ConfigurationError(
            f"What listens at --replay_address={client.server_address} is no replay server of "
            f"this library "
            "(python -m binaries.replay_server), or one that hangs."
        ) from error


def _words(task: dict[str, Any]) -> str:
    return f"{task['environment']} (observation {task['observation']}, {task['action']} actions)"
