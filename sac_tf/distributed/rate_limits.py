"""How far learning and collecting may run ahead of each other, and what becomes of it when a server
restarts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gin
import reverb
import tensorflow as tf
from reverb.cc import schema_pb2
from reverb.cc.checkpointing import checkpoint_pb2

from sac_tf.errors import ConfigurationError, require_count

_TABLES_FILE = "tables.tfrecord"
_COMPRESSION = "ZLIB"
_LIMITS = ("samples_per_insert", "min_diff", "max_diff", "min_size_to_sample")


@gin.configurable
def held_ratio(
    samples_per_insert: float, minimum_rows: int, tolerance_rows: int = 200
) -> reverb.rate_limiters.RateLimiter:
    """Holds the updates per environment step: who is ahead waits.

    Args:
      samples_per_insert: updates per environment step times batch size. Reverb counts rows, not
        batches.
      minimum_rows: rows before the first sample.
      tolerance_rows: how far inserting may be ahead or behind.
    """
    require_count("held_ratio.tolerance_rows", tolerance_rows)
    buffer = max(1.0, tolerance_rows * samples_per_insert)
    return reverb.rate_limiters.SampleToInsertRatio(samples_per_insert, minimum_rows, buffer)


@gin.configurable
def free_ratio(samples_per_insert: float, minimum_rows: int) -> reverb.rate_limiters.RateLimiter:
    """Nobody waits for anybody, once there are `minimum_rows`: robots that cannot stop, learners
    that should not."""
    del samples_per_insert
    return reverb.rate_limiters.MinSize(minimum_rows)


def carry_over(checkpoint: Path, tables: Sequence[reverb.Table]) -> list[str]:
    """Puts the limits, capacity and selectors of `tables` into a Reverb checkpoint, which else
    brings back its own.

    Args:
      checkpoint: a folder that Reverb wrote; changed in place.
      tables: as they are now configured.

    Returns: a sentence for each table that is not as it was.

    Raises:
      ConfigurationError: the checkpoint has more rows than a table may now keep, rows of another
        task, or other tables.
    """
    path = str(checkpoint / _TABLES_FILE)
    records = [record.numpy() for record in tf.data.TFRecordDataset(path, _COMPRESSION)]
    saved = [checkpoint_pb2.PriorityTableCheckpoint.FromString(record) for record in records]
    configured = {table.name: table.info for table in tables}
    if {table.table_name for table in saved} != set(configured):
        raise ConfigurationError(
            f"{checkpoint} has other tables than this server; use a new --root_dir."
        )
    changes = [
        change for table in saved if (change := _carry_over(table, configured[table.table_name]))
    ]
    if changes:
        with tf.io.TFRecordWriter(path, _COMPRESSION) as writer:
            for table in saved:
                writer.write(table.SerializeToString())
    return changes


def _carry_over(
    saved: checkpoint_pb2.PriorityTableCheckpoint, now: reverb.reverb_types.TableInfo
) -> str | None:
    then, new = saved.rate_limiter, now.rate_limiter_info
    if _signature(saved) != now.signature:
        raise ConfigurationError(
            f"The checkpoint has rows of another task in the table {saved.table_name!r} "
            f"({_signature(saved)} and not "
            f"{now.signature}); use a new --root_dir."
        )
    rows = then.insert_count - then.delete_count
    if rows > now.max_size:
        raise ConfigurationError(
            f"The checkpoint has {rows:,} rows in the table {saved.table_name!r}, and "
            f"make_tables.capacity="
            f"{now.max_size} keeps fewer; raise it, or use a new --root_dir."
        )
    changed = [name for name in _LIMITS if getattr(then, name) != getattr(new, name)]
    words = [f"{name} {getattr(then, name):g} -> {getattr(new, name):g}" for name in changed]
    words += (
        [] if saved.max_size == now.max_size else [f"capacity {saved.max_size} -> {now.max_size}"]
    )
    saved.max_size = now.max_size
    for name in changed:
        setattr(then, name, getattr(new, name))
    if changed:  # as if the new limits had held from the start, neither side ahead
        learned_from = max(0, then.insert_count - then.min_size_to_sample)
        then.sample_count = round(learned_from * then.samples_per_insert)
    for selector, wanted in (
        (saved.sampler, now.sampler_options),
        (saved.remover, now.remover_options),
    ):
        if selector != wanted:
            words.append(f"{_words(selector)} -> {_words(wanted)}")
            selector.CopyFrom(wanted)
    return f"New limits of the table {saved.table_name!r}: {', '.join(words)}." if words else None


def _signature(saved: checkpoint_pb2.PriorityTableCheckpoint) -> Any:
    table = schema_pb2.TableInfo(signature=saved.signature)
    return reverb.reverb_types.TableInfo.from_serialized_proto(table.SerializeToString()).signature


def _words(selector: schema_pb2.KeyDistributionOptions) -> str:
    return " ".join(str(selector).split())
