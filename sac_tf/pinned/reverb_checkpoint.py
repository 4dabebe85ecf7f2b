"""Reverb's checkpoint files: a checkpoint gets other limits, capacity and selectors.

Reason: Reverb restores those that a checkpoint was written with, and has no call to change them.
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
_COMPRESSION = "ZLIB"
_LIMITS = ("samples_per_insert", "min_diff", "max_diff", "min_size_to_sample")


def carry_over(checkpoint: Path, tables: Sequence[reverb.Table]) -> list[str]:
    """Writes the limits, capacity and selectors of `tables` into a Reverb checkpoint.

    Args:
      checkpoint: a folder that Reverb wrote; changed in place.
      tables: as they are now configured.

    Returns: a sentence for each table that changes.

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
    changes = [_carry_over(table, configured[table.table_name]) for table in saved]
    if any(changes):
        with tf.io.TFRecordWriter(path, _COMPRESSION) as writer:
            for table in saved:
                writer.write(table.SerializeToString())
    return [change for change in changes if change]


def _carry_over(
    saved: checkpoint_pb2.PriorityTableCheckpoint, now: reverb.reverb_types.TableInfo
) -> str:
    """Changes one table, and returns a sentence about it, "" if nothing changes."""
    _refuse_other_rows(saved, now)
    words = _carry_over_limits(saved, now)
    if saved.max_size != now.max_size:
        words.append(f"capacity {saved.max_size} -> {now.max_size}")
        saved.max_size = now.max_size
    selectors = ((saved.sampler, now.sampler_options), (saved.remover, now.remover_options))
    for selector, wanted in selectors:
        if selector != wanted:
            words.append(f"{_words(selector)} -> {_words(wanted)}")
            selector.CopyFrom(wanted)
    if not words:
        return ""
    return f"New limits of the table {saved.table_name!r}: {', '.join(words)}."


def _refuse_other_rows(
    saved: checkpoint_pb2.PriorityTableCheckpoint, now: reverb.reverb_types.TableInfo
) -> None:
    if _signature(saved) != now.signature:
        raise ConfigurationError(
            f"The checkpoint has rows of another task in the table {saved.table_name!r} "
            f"({_signature(saved)} and not {now.signature}); use a new --root_dir."
        )
    rows = saved.rate_limiter.insert_count - saved.rate_limiter.delete_count
    if rows > now.max_size:
        raise ConfigurationError(
            f"The checkpoint has {rows:,} rows in the table {saved.table_name!r}, and "
            f"tables.capacity={now.max_size} keeps fewer; raise it, or use a new --root_dir."
        )


def _carry_over_limits(
    saved: checkpoint_pb2.PriorityTableCheckpoint, now: reverb.reverb_types.TableInfo
) -> list[str]:
    then = saved.rate_limiter
    new = now.rate_limiter_info
    changed = [name for name in _LIMITS if getattr(then, name) != getattr(new, name)]
    words = [f"{name} {getattr(then, name):g} -> {getattr(new, name):g}" for name in changed]
    for name in changed:
        setattr(then, name, getattr(new, name))
    if changed:  # as if the new limits had held from the start, neither side ahead
        sampled_rows = max(0, then.insert_count - then.min_size_to_sample)
        then.sample_count = round(sampled_rows * then.samples_per_insert)
    return words


def _signature(saved: checkpoint_pb2.PriorityTableCheckpoint) -> Any:
    table = schema_pb2.TableInfo(signature=saved.signature)
    return reverb.reverb_types.TableInfo.from_serialized_proto(table.SerializeToString()).signature


def _words(selector: schema_pb2.KeyDistributionOptions) -> str:
    return " ".join(str(selector).split())
