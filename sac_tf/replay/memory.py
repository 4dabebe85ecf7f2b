"""Memory of the replay: predicted before the first step, and compared with that of the machine."""

import logging
import math
from collections.abc import Iterator
from pathlib import Path

import psutil

from sac_tf.errors import ConfigurationError

ITEM_BYTES = 700
"""Bytes of Reverb's index for each item."""
_USABLE = 0.9
"""Share of the memory that a replay may fill."""


def require_memory(capacity: int, expected_steps: int, step_bytes: int) -> None:
    """Checks that a replay fits into memory when it is full; warns if it does not fit now.

    Args:
      capacity: steps that the tables keep.
      expected_steps: steps that will be added in total.
      step_bytes: bytes of a step, in Reverb and in the sampler. Reverb compresses what it stores,
        so that less may be needed.

    Raises:
      ConfigurationError: it cannot fit.
    """
    steps = min(capacity, expected_steps)
    needed = steps * step_bytes
    limit = memory_limit()
    if needed > _USABLE * limit:
        raise ConfigurationError(
            f"tables.capacity={capacity} needs {_gigabytes(needed)} of memory for {steps:,} steps "
            f"of {step_bytes:,} bytes, and there are {_gigabytes(limit)}; set tables.capacity to "
            f"at most {_rounded_down(_USABLE * limit / step_bytes)}."
        )
    available = psutil.virtual_memory().available
    if needed > available:
        logging.warning(
            "The replay needs %s of memory when it is full, and %s are free now.",
            _gigabytes(needed),
            _gigabytes(available),
        )


def require_memory_of_data(name: str, rows: int, row_bytes: int) -> None:
    """Raises ConfigurationError if the rows of a data set do not fit into memory."""
    needed = rows * row_bytes
    limit = memory_limit()
    if needed > _USABLE * limit:
        raise ConfigurationError(
            f"The data set {name} needs {_gigabytes(needed)} of memory for {rows:,} steps of "
            f"{row_bytes:,} bytes, and there are {_gigabytes(limit)}; use a part of it."
        )


def memory_limit() -> int:
    """Returns the bytes of memory of this machine, or of the control group of this process (a
    container or a job) if they are fewer."""
    return min([psutil.virtual_memory().total, *_group_limits()])


def _group_limits() -> Iterator[int]:
    """Yields the limits of the control group of this process and of those above it."""
    groups = Path("/proc/self/cgroup")
    if not groups.exists():
        return
    for line in groups.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            file = Path(f"/sys/fs/cgroup{path}/memory.max")
        elif "memory" in controllers.split(","):
            file = Path(f"/sys/fs/cgroup/memory{path}/memory.limit_in_bytes")
        else:
            continue
        for folder in file.parents:
            text = _text(folder / file.name)
            if text.isdigit():  # "max" is no limit
                yield int(text)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:,.1f} GB"


def _rounded_down(number: float) -> int:
    """Returns a number with two digits and zeros."""
    unit = 10 ** max(0, math.floor(math.log10(max(number, 1))) - 1)
    return int(number // unit * unit)
