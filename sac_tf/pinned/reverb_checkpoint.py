"""Reverb's checkpoint files: a checkpoint gets other limits, another capacity and other selectors,
and items of one table also in another.

Reason: Reverb restores the limits that a checkpoint was written with, and has no call to change
them, nor one that lists the items of a table in order.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import reverb
import tensorflow as tf
from reverb.cc import schema_pb2
from reverb.cc.checkpointing import checkpoint_pb2

from sac_tf.errors import ConfigurationError

_TABLES_FILE = "tables.tfrecord"
_ITEMS_FILE = "items.tfrecord"
_COMPRESSION = "ZLIB"
_LIMITS = ("samples_per_insert", "min_diff", "max_diff", "min_size_to_sample")


def adapt_checkpoint(checkpoint: Path, tables: Sequence[reverb.Table]) -> list[str]:
    """Writes the limits, capacity and selectors of `tables` into a Reverb checkpoint.

    Args:
      checkpoint: a folder that Reverb wrote; changed in place.
      tables: as they are configured now.

    Returns: a sentence for each table that changes.

    Raises:
      ConfigurationError: the checkpoint has more rows than a table keeps now, rows of another task,
        or other tables.
    """
    saved = _tables(checkpoint)
    configured = {table.name: table.info for table in tables}
    if {table.table_name for table in saved} != set(configured):
        raise ConfigurationError(
            f"{checkpoint} has other tables than this server; use a new --root_dir."
        )
    changes = [_adapt(table, configured[table.table_name]) for table in saved]
    if any(changes):
        _write(checkpoint / _TABLES_FILE, [table.SerializeToString() for table in saved])
    return [change for change in changes if change]


def fill_queue(checkpoint: Path, table: str, queue: str) -> None:
    """Writes the items of a table also into a queue, in the order in which they were inserted.

    Args:
      checkpoint: a folder that Reverb wrote; its files are replaced, not written into.
      table: name of the table.
      queue: name of an empty table whose items are sampled once, in order.
    """
    records = _read(checkpoint / _ITEMS_FILE)
    items = [schema_pb2.PrioritizedItem.FromString(record) for record in records]
    copies = [item for item in items if item.table == table]
    copies.sort(key=lambda item: item.inserted_at.ToNanoseconds())
    for item in copies:
        item.table = queue
        item.times_sampled = 0
    _write(checkpoint / _ITEMS_FILE, [*records, *(item.SerializeToString() for item in copies)])
    tables = _tables(checkpoint)
    for saved in tables:
        if saved.table_name == queue:
            saved.rate_limiter.insert_count += len(copies)
    _write(checkpoint / _TABLES_FILE, [saved.SerializeToString() for saved in tables])


def _tables(checkpoint: Path) -> list[checkpoint_pb2.PriorityTableCheckpoint]:
    records = _read(checkpoint / _TABLES_FILE)
    return [checkpoint_pb2.PriorityTableCheckpoint.FromString(record) for record in records]


def _read(path: Path) -> list[bytes]:
    return [record.numpy() for record in tf.data.TFRecordDataset(str(path), _COMPRESSION)]


def _write(path: Path, records: Sequence[bytes]) -> None:
    path.unlink()  # it may be a link to a file of another checkpoint
    with tf.io.TFRecordWriter(str(path), _COMPRESSION) as writer:
        for record in records:
            writer.write(record)


def _adapt(
    saved: checkpoint_pb2.PriorityTableCheckpoint, configured: reverb.reverb_types.TableInfo
) -> str:
    """Adapts one table; returns a sentence about it, "" if nothing changes."""
    _refuse_other_rows(saved, configured)
    changes = _adapt_limits(saved, configured)
    if saved.max_size != configured.max_size:
        changes.append(f"capacity {saved.max_size} -> {configured.max_size}")
        saved.max_size = configured.max_size
    changes += _adapt_selector(saved.sampler, configured.sampler_options)
    changes += _adapt_selector(saved.remover, configured.remover_options)
    if not changes:
        return ""
    return f"New limits of the table {saved.table_name!r}: {', '.join(changes)}."


def _refuse_other_rows(
    saved: checkpoint_pb2.PriorityTableCheckpoint, configured: reverb.reverb_types.TableInfo
) -> None:
    if _signature(saved) != configured.signature:
        raise ConfigurationError(
            f"The checkpoint has rows of another task in the table {saved.table_name!r} "
            f"({_signature(saved)}, now {configured.signature}); use a new --root_dir."
        )
    rows = saved.rate_limiter.insert_count - saved.rate_limiter.delete_count
    if rows > configured.max_size:
        raise ConfigurationError(
            f"The checkpoint has {rows:,} rows in the table {saved.table_name!r}, and "
            f"tables.capacity={configured.max_size} keeps fewer; raise it, or use a new --root_dir."
        )


def _adapt_limits(
    saved: checkpoint_pb2.PriorityTableCheckpoint, configured: reverb.reverb_types.TableInfo
) -> list[str]:
    limiter = saved.rate_limiter
    wanted = configured.rate_limiter_info
    changed = [name for name in _LIMITS if getattr(limiter, name) != getattr(wanted, name)]
    changes = [
        f"{name} {getattr(limiter, name):g} -> {getattr(wanted, name):g}" for name in changed
    ]
    for name in changed:
        setattr(limiter, name, getattr(wanted, name))
    if changed:  # as if the new limits had held from the start, with neither side ahead
        sampled_rows = max(0, limiter.insert_count - limiter.min_size_to_sample)
        limiter.sample_count = round(sampled_rows * limiter.samples_per_insert)
    return changes


def _adapt_selector(
    saved: schema_pb2.KeyDistributionOptions, configured: schema_pb2.KeyDistributionOptions
) -> list[str]:
    if saved == configured:
        return []
    change = f"{_words(saved)} -> {_words(configured)}"
    saved.CopyFrom(configured)
    return [change]


def _signature(saved: checkpoint_pb2.PriorityTableCheckpoint) -> Any:
    table = schema_pb2.TableInfo(signature=saved.signature)
    return reverb.reverb_types.TableInfo.from_serialized_proto(table.SerializeToString()).signature


def _words(selector: schema_pb2.KeyDistributionOptions) -> str:
    return " ".join(str(selector).split())
