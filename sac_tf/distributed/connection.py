"""Connections to the replay servers of a distributed run, which must serve the same run."""

import contextlib
import functools
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gin
import reverb

from sac_tf.distributed.messages import NO_ANSWER, STATUS_TABLE, receive
from sac_tf.distributed.status import send_heartbeats
from sac_tf.distributed.waiting import Patience, PeriodicCall, with_timeout
from sac_tf.errors import ConfigurationError, RunError, require_number
from sac_tf.runs.configuration import differences
from sac_tf.runs.logs import say
from sac_tf.types import EnvironmentSpec

_TIMEOUT_S = 10.0
"""Timeout of a request, in seconds."""
MAY_DIFFER = (
    "set_runtime.",
    "connect.",
    "Patience.",
    "PolicySource.",
    "train.num_environments",
    "train.total_steps",
)
"""Settings, or prefixes of settings, that may differ between the processes of a run."""


class Stopped(RunError):
    """A signal came while a program waited for a server: it ends as after any other signal."""


class RunDescription(NamedTuple):
    """What the processes of a run must have in common.

    Attributes:
      task: from `describe_task`.
      settings: {"scope/name.parameter": value as gin text}.
    """

    task: dict[str, Any]
    settings: dict[str, str]


def describe_task(title: str, spec: EnvironmentSpec) -> dict[str, Any]:
    """Returns what determines the rows of a task, as JSON."""
    return {"environment": title, **spec.as_json()}


@gin.configurable
def connect(
    addresses: Sequence[str], run: RunDescription, patience: Patience, wait_s: float = 0.0
) -> list[reverb.Client]:
    """Returns a client for each replay server, after checking that they serve this run.

    Args:
      addresses: of the servers.
      run: of this process.
      patience: waits for servers that have not started yet.
      wait_s: seconds to wait for them; 0 for processes that start after their servers.

    Raises:
      ConfigurationError: the host does not exist, or has a server that is not one of sac_tf, or
        that is one of another run.
      RunError: no server listens there or answers in time.
      Stopped: a signal came first.
    """
    require_number(
        "connect.wait_s", wait_s, lambda seconds: seconds >= 0, "a number of seconds of at least 0"
    )
    deadline = time.monotonic() + wait_s
    clients = []
    for address in addresses:
        status = _fetch_status(address, patience, deadline)
        _refuse_other_run(address, status, run)
        if status["servers"] != len(addresses):
            raise ConfigurationError(
                f"The replay server at {address} is one of {status['servers']} "
                f"(replay_server.servers), and --replay_address names {len(addresses)}; name all "
                "of them, everywhere in the same order."
            )
        clients.append(reverb.Client(address))
    return clients


class Connection:
    """The connections of a process to the replay servers of its run.

    Attributes:
      clients: of the servers, in the order of their addresses.
      patience: waits for the servers, for rows, and for room in the replay.
    """

    def __init__(self, addresses: Sequence[str], run: RunDescription, is_over: Callable[[], bool]):
        """Connects; arguments and errors as for `connect` and `Patience`."""
        self.patience = Patience(is_over, say)
        self.clients = connect(addresses, run, self.patience)
        self._heartbeats: PeriodicCall | None = None

    def send_heartbeats(self, process: str, report: Callable[[], dict[str, Any]]) -> None:
        """Sends `report()` as the heartbeat of `process` until the connection is closed."""
        self._heartbeats = send_heartbeats(self.clients[0], process, report)

    def close(self) -> None:
        if self._heartbeats is not None:
            self._heartbeats.stop()


def look(address: str) -> dict[str, Any]:
    """Returns the status that the server at `address` publishes, without waiting for a server to
    start. Raises as `connect`."""
    patience = Patience(lambda: False, print, limit_s=_TIMEOUT_S)
    return _fetch_status(address, patience, deadline=time.monotonic())


def _fetch_status(address: str, patience: Patience, deadline: float) -> dict[str, Any]:
    """Returns the status that a server publishes; waits until `deadline` for it to listen."""
    listens = functools.partial(_listens, address, deadline)
    _wait(patience, listens, f"the replay server at {address}")
    client = reverb.Client(address)
    received: list[dict[str, Any]] = []

    def fetch(seconds: float) -> bool:
        # No answer: the server is paused, or busy with a checkpoint. No status: it has just
        # started, or writes a checkpoint.
        with contextlib.suppress(*NO_ANSWER):
            received[:] = with_timeout(lambda: receive(client, STATUS_TABLE), _TIMEOUT_S)
        if not received:
            time.sleep(seconds)
        return bool(received)

    try:
        _wait(patience, fetch, f"the status of the replay server at {address}")
    except LookupError as error:
        raise ConfigurationError(
            f"What listens at --replay_address={address} is not a replay server of sac_tf "
            "(python -m binaries.replay_server)."
        ) from error
    return received[0]


def _listens(address: str, deadline: float, seconds: float) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_TIMEOUT_S).close()
    except OSError as error:
        if time.monotonic() > deadline:
            _refuse_address(address, host, error)
        time.sleep(seconds)
        return False
    return True


def _refuse_address(address: str, host: str, error: OSError) -> None:
    if isinstance(error, socket.gaierror):
        raise ConfigurationError(f"--replay_address={address}: there is no host {host}.") from error
    raise RunError(
        f"No replay server answers at {address} ({error.strerror or error}). Start python -m "
        "binaries.replay_server there, correct --replay_address, or set connect.wait_s to wait for "
        "it."
    ) from error


def _wait(patience: Patience, attempt: Callable[[float], bool], what: str) -> None:
    if not patience(attempt, what):
        raise Stopped(f"Stopped while waiting for {what}.")


def _refuse_other_run(address: str, status: dict[str, Any], run: RunDescription) -> None:
    if status["task"] != run.task:
        raise ConfigurationError(
            f"The replay server at {address} is for {_words(status['task'])}, and this process for "
            f"{_words(run.task)}."
        )
    differing = differences(status["settings"], run.settings, MAY_DIFFER)
    if differing:
        words = "; ".join(
            f"{name} is {there} there and {here} here" for name, there, here in differing
        )
        raise ConfigurationError(
            f"The replay server at {address} serves a run with other settings ({words}); give all "
            "processes the same gin files and bindings."
        )


def _words(task: dict[str, Any]) -> str:
    spec = EnvironmentSpec.from_json(task)
    observation = ", ".join(map(str, spec.observation_leaves))
    return f"{task['environment']} ({observation}; {spec.action_dimensions} actions)"
