"""Finding the replay servers of a run, and making sure that they are the right ones."""

import functools
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

import gin
import reverb

from sac_tf.distributed.messages import BOARD_TABLE, hear
from sac_tf.distributed.waiting import Patience, bounded
from sac_tf.errors import ConfigurationError, RunError, require_number
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
    addresses: Sequence[str], task: dict[str, Any], patience: Patience, wait_s: float = 0.0
) -> list[reverb.Client]:
    """Returns a client of each server, all of them alive and of this task.

    Args:
      addresses: of the servers.
      task: from `describe_task`.
      patience: waits for servers that are not there yet.
      wait_s: how long to wait for them; 0 for processes that are started after their servers.

    Raises:
      ConfigurationError: no such host, no replay server of ours, or one of another task.
      RunError: nothing listens there, or it was over before something did.
    """
    require_number(
        "connect.wait_s", wait_s, lambda seconds: seconds >= 0, "a number of seconds of at least 0"
    )
    ends = time.monotonic() + wait_s
    clients = []
    for address in addresses:
        _wait(
            patience, functools.partial(_listens, address, ends), f"the replay server at {address}"
        )
        client = reverb.Client(address)
        board = _board_of(client, patience)
        if board["task"] != task:
            raise ConfigurationError(
                f"The replay server at {address} is for {_words(board['task'])}, and this process "
                f"for {_words(task)}."
            )
        if board["servers"] != len(addresses):
            raise ConfigurationError(
                f"The replay server at {address} is one of {board['servers']} "
                f"(replay_server.servers), and "
                f"--replay_address names {len(addresses)}; name all of them, everywhere in the "
                f"same order."
            )
        clients.append(client)
    return clients


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


def _listens(address: str, ends: float, seconds: float) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S).close()
    except OSError as error:
        if time.monotonic() > ends:
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
        boards[:] = bounded(lambda: hear(client, BOARD_TABLE), _ANSWER_S)
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
