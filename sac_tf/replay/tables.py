"""The Reverb server of a run: its tables, its port, and its checkpoints."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import gin
import reverb
import tensorflow as tf

from sac_tf.errors import ConfigurationError, require_count, require_number

REPLAY_TABLE = "replay"
"""Single rows [W], kept until the capacity is reached: the store of record."""
QUEUE_TABLE = "queue"
"""Blocks of rows [n, W] in order, each read once, by a sampler that keeps its own copy."""
COLUMN = "row"
UNLIMITED = 1e300
"""A rate limiter whose `max_diff` is at least this does not limit samples per insert."""
_LAST_PORT = 65_535
TIMEOUT_S = 60
"""Timeout of every request to Reverb, in seconds."""

gin.external_configurable(reverb.rate_limiters.MinSize, module="reverb.rate_limiters")
gin.external_configurable(reverb.rate_limiters.SampleToInsertRatio, module="reverb.rate_limiters")
gin.external_configurable(reverb.checkpointers.DefaultCheckpointer, module="reverb.checkpointers")


def _selector(name: str) -> Callable[[], object]:
    # Reverb's constructors are native: gin can take them only inside a Python function.
    constructor = getattr(reverb.selectors, name)
    return gin.external_configurable(lambda: constructor(), name=name, module="reverb.selectors")


Uniform = _selector("Uniform")
Fifo = _selector("Fifo")
Lifo = _selector("Lifo")


@gin.configurable(module="reverb.selectors")
def Prioritized(priority_exponent: float = 0.6) -> object:
    """Draws rows with probability priority^exponent / sum of all (1511.05952, eq. 1, where the
    exponent is alpha).

    Args:
      priority_exponent: how far priorities decide the draws; 0 draws all rows alike.
    """
    require_number(
        "Prioritized.priority_exponent",
        priority_exponent,
        lambda value: value >= 0,
        "a number of at least 0",
    )
    return reverb.selectors.Prioritized(priority_exponent)


def is_prioritized(table: reverb.reverb_types.TableInfo) -> bool:
    """Returns whether a table draws rows by their priorities."""
    return bool(table.sampler_options.HasField("prioritized"))


def setting_of_sampling(table: reverb.reverb_types.TableInfo) -> str | None:
    """Returns the first setting that has an effect only where the replay table itself is sampled;
    None if there are only defaults and priorities."""
    if not (is_prioritized(table) or table.sampler_options.HasField("uniform")):
        return "tables.sampler"
    if not table.remover_options.HasField("fifo"):
        return "tables.remover"
    limiter = table.rate_limiter_info
    if limiter.max_diff < UNLIMITED:
        return "tables.rate_limiter"
    if limiter.min_size_to_sample > 1:
        return "tables.minimum_size"
    return None


@gin.configurable("tables")
def make_tables(
    width: int,
    capacity: int = 1_000_000,
    minimum_size: int = 1,
    sampler: Callable[[], object] = Uniform,
    remover: Callable[[], object] = Fifo,
    rate_limiter: Callable[..., reverb.rate_limiters.RateLimiter] = reverb.rate_limiters.MinSize,
) -> list[reverb.Table]:
    """Returns the replay table and the queue.

    Args:
      width: W, columns of a row.
      capacity: rows kept in the replay table.
      minimum_size: rows in the replay table before it is first sampled.
      sampler: Reverb selector of the samples of the replay table.
      remover: Reverb selector of its rows to delete.
      rate_limiter: f(min_size_to_sample=minimum_size) of the replay table. One process that both
        inserts and samples needs one that never blocks inserts.
    """
    require_count("tables.capacity", capacity)
    require_count("tables.minimum_size", minimum_size)
    row = {COLUMN: tf.TensorSpec([width], tf.float32)}
    block = {COLUMN: tf.TensorSpec([None, width], tf.float32)}
    limiter = rate_limiter(min_size_to_sample=minimum_size)
    immediately = reverb.rate_limiters.MinSize(1)
    return [
        reverb.Table(REPLAY_TABLE, sampler(), remover(), capacity, limiter, signature=row),
        reverb.Table(
            QUEUE_TABLE, Fifo(), Fifo(), capacity, immediately, max_times_sampled=1, signature=block
        ),
    ]


@gin.configurable
class ReplayServer:
    """A Reverb server in this process, with checkpoints."""

    def __init__(
        self,
        tables: list[reverb.Table],
        staging: Path,
        restore_from: Path | None,
        port: int | None = None,
        checkpointer: Callable[..., object] = reverb.checkpointers.DefaultCheckpointer,
    ):
        """Starts the server.

        Args:
          tables: what to serve; a checkpoint restores its own rows and its own rate limiters.
          staging: a folder that Reverb writes checkpoints into before they are moved; emptied
            here.
          restore_from: a folder that `checkpoint` wrote, or None.
          port: port of the server; None chooses a free one.
          checkpointer: f(path=, fallback_checkpoint_path=).

        Raises:
          ConfigurationError: the port is in use or not a valid port number.
        """
        if port is not None:
            _check_port(port)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        source = None if restore_from is None else str(restore_from)
        self._server = reverb.Server(
            tables, port, checkpointer(path=str(staging), fallback_checkpoint_path=source)
        )
        self.client = self._server.localhost_client()

    @property
    def address(self) -> str:
        return f"localhost:{self._server.port}"

    def size(self) -> int:
        """Returns the rows in the replay table."""
        return int(self.client.server_info(timeout=TIMEOUT_S)[REPLAY_TABLE].current_size)

    def checkpoint(self, destination: Path) -> None:
        """Writes all tables to the new folder `destination`, or raises OSError. Other requests wait
        until it is done."""
        try:
            written = self.client.checkpoint()
        except RuntimeError as error:
            raise OSError(f"Reverb could not write its checkpoint: {error}") from error
        shutil.move(written, destination)

    def stop(self) -> None:
        self._server.stop()


def _check_port(port: int) -> None:
    """Checks the port, because two Reverb servers on one port both start without an error, and
    requests go to either."""
    if require_count("ReplayServer.port", port) > _LAST_PORT:
        raise ConfigurationError(f"ReplayServer.port must be at most {_LAST_PORT}, got {port}.")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(("localhost", port)) == 0:
            raise ConfigurationError(
                f"Port {port} is in use by another server; choose another (--port, or "
                f"ReplayServer.port)."
            )
