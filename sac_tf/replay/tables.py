"""The Reverb server of a run: its tables, its port, and its checkpoints."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import gin
import reverb
import tensorflow as tf

from sac_tf.errors import ConfigurationError, require_count, require_number
from sac_tf.replay.windows import Windows

REPLAY_TABLE = "replay"
"""One item for each window of steps, which Reverb's own samplers draw."""
SEGMENT_TABLE = "segments"
"""Segments of consecutive rows, kept for a sampler that has its own copy of them."""
QUEUE_TABLE = "queue"
"""Blocks of the same rows, each read once by that sampler."""
LINKS = "links"
"""int32 [rows, 2] of a segment or block: `Links.back` and `Links.age`."""
ROWS = "rows"
"""int32 of a segment or block: rows that are used."""
SEGMENT = "segment"
"""int64 of a segment or block: number of the segment."""
_MOST_ROWS = 128
_FEWEST_ROWS = 16
"""Of a segment."""
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


def column_of_step(dtype: str, step: int) -> str:
    """Returns the name that the column of one step of a window has in an item."""
    return f"{dtype}_{step}"


def rows_of_segment(capacity: int) -> int:
    """Returns the rows of a segment: 128, or a 64th of a small replay, but at least 16."""
    return min(_MOST_ROWS, max(_FEWEST_ROWS, capacity // 64 // _FEWEST_ROWS * _FEWEST_ROWS))


def segments_kept(capacity: int) -> int:
    """Returns how many segments hold `capacity` rows, at least 2."""
    return max(2, -(-capacity // rows_of_segment(capacity)))


@gin.configurable("tables")
def make_tables(
    windows: Windows,
    capacity: int = 1_000_000,
    minimum_size: int = 1,
    sampler: Callable[[], object] = Uniform,
    remover: Callable[[], object] = Fifo,
    rate_limiter: Callable[..., reverb.rate_limiters.RateLimiter] = reverb.rate_limiters.MinSize,
) -> list[reverb.Table]:
    """Returns the replay table, the table of segments and the queue.

    Args:
      windows: of the task.
      capacity: transitions kept in the replay table. In segments: rows, which are one for each
        step and one for each final observation, up to a whole segment.
      minimum_size: transitions in the replay table before it is first sampled.
      sampler: Reverb selector of the samples of the replay table.
      remover: Reverb selector of its transitions to delete.
      rate_limiter: f(min_size_to_sample=minimum_size) of the replay table. One process that both
        inserts and samples needs one that never blocks inserts.
    """
    require_count("tables.capacity", capacity)
    require_count("tables.minimum_size", minimum_size)
    limiter = rate_limiter(min_size_to_sample=minimum_size)
    items = window_signature(windows)
    segment = segment_signature(windows)
    return [
        reverb.Table(REPLAY_TABLE, sampler(), remover(), capacity, limiter, signature=items),
        _in_order(SEGMENT_TABLE, segments_kept(capacity), segment),
        _in_order(QUEUE_TABLE, capacity, segment, max_times_sampled=1),
    ]


def _in_order(
    name: str, size: int, signature: dict[str, tf.TensorSpec], **settings: int
) -> reverb.Table:
    """Returns a table that gives and drops its oldest item."""
    limiter = reverb.rate_limiters.MinSize(1)
    return reverb.Table(name, Fifo(), Fifo(), size, limiter, signature=signature, **settings)


def items_of(
    address: str, table: str, signature: dict[str, tf.TensorSpec], **settings: int
) -> tf.data.Dataset:
    """Returns the items that a table of a server gives; `settings` are those of Reverb's
    `TrajectoryDataset`."""
    items = reverb.TrajectoryDataset(
        address,
        table,
        dtypes={name: column.dtype for name, column in signature.items()},
        shapes={name: column.shape for name, column in signature.items()},
        **settings,
    )
    # There is nothing to tune, and an iterator is only freed when TensorFlow's tuner wakes up next:
    # up to a minute later in a long run.
    options = tf.data.Options()
    options.autotune.enabled = False
    return items.with_options(options)


def rows_of_item(windows: Windows) -> int:
    """Returns the rows of an item of the replay table: those of a window, and with hindsight k
    others, which give goals."""
    return windows.length + (0 if windows.hindsight is None else windows.hindsight.k)


def window_signature(windows: Windows) -> dict[str, tf.TensorSpec]:
    """Returns the columns of an item of the replay table."""
    return {
        column_of_step(dtype, step): tf.TensorSpec([width], dtype)
        for step in range(rows_of_item(windows))
        for dtype, width in windows.columns.widths.items()
    }


def segment_signature(windows: Windows) -> dict[str, tf.TensorSpec]:
    """Returns the columns of an item of the table of segments and of the queue."""
    rows = {
        dtype: tf.TensorSpec([None, width], dtype)
        for dtype, width in windows.columns.widths.items()
    }
    return {
        **rows,
        LINKS: tf.TensorSpec([None, 2], tf.int32),
        ROWS: tf.TensorSpec([], tf.int32),
        SEGMENT: tf.TensorSpec([], tf.int64),
    }


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
          ConfigurationError: the port cannot be opened or is not a valid port number.
        """
        if port is not None:
            check_port(port)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        source = None if restore_from is None else str(restore_from)
        self._server = _start(
            tables, port, checkpointer(path=str(staging), fallback_checkpoint_path=source)
        )
        self.client = self._server.localhost_client()

    @property
    def address(self) -> str:
        return f"localhost:{self._server.port}"

    def size(self, table: str) -> int:
        """Returns the items in a table."""
        return int(self.client.server_info(timeout=TIMEOUT_S)[table].current_size)

    def inserted(self, table: str) -> int:
        """Returns the items ever inserted into a table."""
        limiter = self.client.server_info(timeout=TIMEOUT_S)[table].rate_limiter_info
        return int(limiter.insert_stats.completed)

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


def _start(tables: list[reverb.Table], port: int | None, checkpointer: object) -> reverb.Server:
    try:
        return reverb.Server(tables, port, checkpointer)
    except ValueError as error:
        if "BuildAndStart" not in str(error):
            raise
        raise _cannot_open(port, str(error)) from error  # taken after it was checked


def check_port(port: int) -> None:
    """Checks a port before any work.

    Two Reverb servers on one port both start without an error, and requests go to either.

    Raises:
      ConfigurationError: the port cannot be opened or is not a valid port number.
    """
    if require_count("ReplayServer.port", port) > _LAST_PORT:
        raise ConfigurationError(f"ReplayServer.port must be at most {_LAST_PORT}, got {port}.")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(("localhost", port)) == 0:
            raise ConfigurationError(
                f"Port {port} is in use by another server; choose another (--port, or "
                f"ReplayServer.port)."
            )
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As Reverb does: connections that are being closed do not keep a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise _cannot_open(port, str(error.strerror)) from error


def _cannot_open(port: int | None, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"Port {port} cannot be opened ({reason}); choose another (--port, or ReplayServer.port)."
    )
