"""Measured values, and what is computed from them: medians, spreads, ratios. Pure, but for writing
the file."""

import csv
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

OURS = "ours"
BFLOAT16 = "ours_bfloat16"
"""Ours with `set_runtime.bfloat16_products`."""
_COLUMNS = ("peer", "what", "repeat", "value", "versions", "commit")

_RATIOS: dict[str, tuple[str, ...]] = {
    "update_vs_sbx": ("half_cheetah_update", "sbx"),
    "update_vs_sb3": ("half_cheetah_update", "sb3"),
    "update_vs_tf_agents": ("half_cheetah_update", "tf_agents"),
    "update_vs_gemm_limit": ("half_cheetah_update", "gemm"),
    "update_bfloat16_vs_float32": ("half_cheetah_update", OURS, BFLOAT16),
    "loop_vs_sbx": ("half_cheetah_loop", "sbx"),
    "loop_vs_sbx_grouped": ("half_cheetah_loop", "sbx_grouped"),
    "loop_vs_sb3": ("half_cheetah_loop", "sb3"),
    "redq_update_vs_sbx": ("redq_update", "sbx"),
    "redq_loop_vs_sbx": ("redq_loop", "sbx"),
    "humanoid_update_vs_sbx": ("humanoid_update", "sbx"),
    "humanoid_update_vs_sb3": ("humanoid_update", "sb3"),
    "humanoid_update_vs_tf_agents": ("humanoid_update", "tf_agents"),
    "humanoid_update_bfloat16_vs_float32": ("humanoid_update", OURS, BFLOAT16),
    "humanoid_loop_vs_sbx": ("humanoid_loop", "sbx"),
}
"""Name of a line: what is compared, over whose, and whose if not ours in float32."""

_VALUES = {
    "bytes_per_transition": "half_cheetah_bytes_per_transition",
    "humanoid_bytes_per_transition": "humanoid_bytes_per_transition",
    "humanoid_million_gigabytes": "humanoid_million_gigabytes",
    "first_update_seconds": "half_cheetah_first_update_seconds",
    "peak_memory_mb": "half_cheetah_peak_memory_mb",
}
"""Name of a line: what of ours it is the median of."""


class Sample(NamedTuple):
    """One measured value: of which peer, of what, and in which round (rounds interleave the
    peers)."""

    peer: str
    what: str
    repeat: int
    value: float
    versions: str


class Summary(NamedTuple):
    """Median, least and greatest of some values."""

    median: float
    least: float
    greatest: float

    def __str__(self) -> str:
        return f"{self.median:.4g} ({self.least:.4g} to {self.greatest:.4g})"


def summarize(values: list[float]) -> Summary:
    """Returns the `Summary` of at least one value."""
    return Summary(statistics.median(values), min(values), max(values))


def values(samples: list[Sample], what: str, peer: str) -> dict[int, float]:
    """Returns {repeat: value}."""
    return {
        sample.repeat: sample.value
        for sample in samples
        if (sample.what, sample.peer) == (what, peer)
    }


def ratio(samples: list[Sample], what: str, peer: str, own: str = OURS) -> Summary | None:
    """Returns own / the peer's, round by round: the two values of a round met the same machine.
    None without both."""
    ours, theirs = values(samples, what, own), values(samples, what, peer)
    rounds = sorted(ours.keys() & theirs.keys())
    return summarize([ours[number] / theirs[number] for number in rounds]) if rounds else None


def slope(x: tuple[float, float], y: tuple[float, float]) -> tuple[float, float]:
    """Returns the slope, and the value at 0, of the line through two points."""
    rise = (y[1] - y[0]) / (x[1] - x[0])
    return rise, y[0] - rise * x[0]


def table(samples: list[Sample]) -> Iterator[str]:
    """Yields a line for each thing measured: its median and spread."""
    for what, peer in dict.fromkeys((sample.what, sample.peer) for sample in samples):
        yield f"{what:36} {peer:12} {summarize(list(values(samples, what, peer).values()))}"


def lines(samples: list[Sample]) -> Iterator[str]:
    """Yields `name value` for each figure that the samples are enough for."""
    for name, compared in _RATIOS.items():
        found = ratio(samples, *compared)
        if found is not None:
            yield f"{name} {found.median:.3f}"
    for name, what in _VALUES.items():
        of_ours = values(samples, what, OURS)
        if of_ours:
            yield f"{name} {statistics.median(of_ours.values()):.4g}"


def write(path: Path, samples: list[Sample], commit: str, comment: str) -> None:
    """Writes a CSV file; its first line is `# comment`: the command, the machine."""
    with path.open("w", newline="") as file:
        file.write(f"# {comment}\n")
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for sample in samples:
            writer.writerow(
                [
                    sample.peer,
                    sample.what,
                    sample.repeat,
                    f"{sample.value:.6g}",
                    sample.versions,
                    commit,
                ]
            )
