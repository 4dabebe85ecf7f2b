"""Rate limiters: how far learning and collecting may run ahead of each other."""

import gin
import reverb

from sac_tf.errors import require_count


@gin.configurable
def held_ratio(
    samples_per_insert: float, minimum_rows: int, tolerance_rows: int = 200
) -> reverb.rate_limiters.RateLimiter:
    """Holds the UTD ratio: the side that is ahead waits.

    Args:
      samples_per_insert: UTD ratio times batch size, because Reverb counts rows and not batches.
      minimum_rows: rows before the first sample.
      tolerance_rows: rows by which inserting may be ahead or behind.

    Raises:
      ConfigurationError: `tolerance_rows` out of range.
    """
    require_count("held_ratio.tolerance_rows", tolerance_rows)
    buffer = max(1.0, tolerance_rows * samples_per_insert)
    return reverb.rate_limiters.SampleToInsertRatio(samples_per_insert, minimum_rows, buffer)


@gin.configurable
def free_ratio(samples_per_insert: float, minimum_rows: int) -> reverb.rate_limiters.RateLimiter:
    """Disables rate limiting after `minimum_rows`, for collectors that cannot pause."""
    del samples_per_insert
    return reverb.rate_limiters.MinSize(minimum_rows)
